package lab

import (
	"context"
	"errors"
	"math"
)

var errNoRun = hinted("Press Start.", errors.New("nothing is being trained"))

// state is what requests about the run answer.
func (s *Session) state() TrainState {
	if s.run == nil {
		return TrainState{State: Stopped}
	}
	return TrainState{s.run.state, s.run.done}
}

// control changes the run between two submits and waits until what is in
// flight has come back.
func (s *Session) control(ctx context.Context, f func(t *run) error) (*TrainState, error) {
	r := &TrainState{}
	return r, s.do(ctx, s.quick, func() error {
		if s.run == nil {
			return errNoRun
		}
		if err := f(s.run); err != nil {
			return err
		}
		*r = s.state()
		return nil
	})
}

// settle is done when a run stops for whatever reason.
func (s *Session) settle(state string) error {
	t := s.run
	if err := s.drain(); err != nil {
		return err
	}
	t.state, t.budget = state, 0
	t.release()
	if err := s.snapshotRun(); err != nil {
		return err
	}
	s.emitTrain(state)
	return nil
}

func (s *Session) pause(ctx context.Context, _ *Empty) (*TrainState, error) {
	return s.control(ctx, func(t *run) error {
		if t.state != Running && t.budget == 0 {
			return nil
		}
		return s.settle(Paused)
	})
}

func (s *Session) resume(ctx context.Context, _ *Empty) (*TrainState, error) {
	return s.control(ctx, func(t *run) error {
		switch t.state {
		case Paused:
			t.state = Running
			t.restartClock()
			s.emitTrain(Running)
		case Done, Stopped:
			return hinted("Start a new run; it can go on from these weights.", errors.New("this run is over"))
		}
		return nil
	})
}

func (s *Session) stop(ctx context.Context, _ *Empty) (*TrainState, error) {
	return s.control(ctx, func(t *run) error {
		if t.state != Running && t.state != Paused {
			return nil
		}
		return s.settle(Stopped)
	})
}

// step answers when the updates are done, or the run is paused or stopped.
func (s *Session) step(ctx context.Context, q *StepRequest) (*TrainState, error) {
	finished := make(chan struct{})
	r, err := s.control(ctx, func(t *run) error {
		switch t.state {
		case Done, Stopped:
			return hinted("Start a new run; it can go on from these weights.", errors.New("this run is over"))
		case Running:
			if err := s.settle(Paused); err != nil {
				return err
			}
		}
		t.budget += max(1, q.N)
		t.restartClock()
		t.waiters = append(t.waiters, finished)
		return nil
	})
	if err != nil {
		return nil, err
	}
	select {
	case <-finished:
	case <-s.ended:
		return nil, errClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	err = s.do(ctx, s.quick, func() error { *r = s.state(); return nil })
	return r, err
}

func (s *Session) set(ctx context.Context, q *SetRequest) (*TrainState, error) {
	return s.control(ctx, func(t *run) error {
		c := t.config
		for _, k := range []struct {
			from *float64
			to   *float64
		}{{q.LR, &c.LR}, {q.EndFactor, &c.EndFactor}, {q.WeightDecay, &c.WeightDecay}, {q.Momentum, &c.Momentum}} {
			if k.from == nil {
				continue
			}
			if math.IsNaN(*k.from) {
				return errors.New("not a number")
			}
			*k.to = *k.from
		}
		o, err := c.options()
		if err != nil {
			return hinted("Choose another value.", err)
		}
		t.config, t.opts = c, o
		t.model.options = o
		t.applyKnobs()
		return nil
	})
}

// applyKnobs makes the run's numbers those of its options.
func (t *run) applyKnobs() {
	t.steps.Rate = t.schedule()
	t.steps.Momentum, t.steps.WeightDecay = t.opts.Momentum, t.opts.WeightDecay
}
