// Losses are functions over tensors, composed from the same operations as
// everything else. They are written so that they fuse: a row-wise normaliser
// is one reduction kernel, and a target class is looked up by Gather, whose
// gradient is a comparison and no scatter, so that a classification loss with
// its gradient is computed where the logits are.

package nn

import (
	"math"
	"slices"

	"github.com/weft-ml/weft/internal/ir"
	"github.com/weft-ml/weft/tensor"
)

// Reduction says how the losses of single elements become one.
type Reduction uint8

const (
	// Mean averages the elements (weighted, where there are class weights).
	Mean Reduction = iota
	// Sum adds the elements up.
	Sum
	// None returns the elements as they are.
	None
	// BatchMean is the sum divided by the size of the first dimension, the
	// mathematical definition for KLDiv.
	BatchMean
)

func (r Reduction) of(l *tensor.Tensor) *tensor.Tensor {
	switch r {
	case Sum:
		return l.Sum()
	case None:
		return l
	case BatchMean:
		n := 1
		if l.Dims() > 0 {
			n = l.Dim(0)
		}
		return l.Sum().DivScalar(float64(n))
	}
	return l.Mean()
}

// weighted is of for elements that carry weights: the mean divides by their sum.
func (r Reduction) weighted(l, weight *tensor.Tensor) *tensor.Tensor {
	if r == Mean {
		return l.Sum().Div(weight.Sum())
	}
	return r.of(l)
}

// same checks that prediction and target fit; a target that only broadcasts
// is almost always a mistake.
func same(op string, x, target *tensor.Tensor) {
	if !slices.Equal(x.Shape(), target.Shape()) {
		panic(ir.NewError(op, "prediction of shape %v and target of shape %v: they must be equal", x.Shape(), target.Shape()))
	}
}

// ClassOptions are the choices of CrossEntropy and NLL.
type ClassOptions struct {
	// Weight [classes] weighs the classes; nil for equal ones. The mean is
	// then over the weights of the targets.
	Weight *tensor.Tensor
	// Ignore lists target values that take no part, such as -100 for padding.
	// Any other outside of the classes is an error where the host sees it, and
	// makes the loss NaN where only the device does.
	Ignore []int
	// Smoothing moves this share of the target's probability to all classes
	// alike (Szegedy et al., 2015). CrossEntropy only.
	Smoothing float64
	Reduction Reduction
}

// CrossEntropy is -sum_c q_c log softmax(x)_c over the last dimension of
// logits [.., classes]. target is either integer classes [..], so that the
// loss is -log softmax(x)_target, or Float32 probabilities q [.., classes].
func CrossEntropy(logits, target *tensor.Tensor, opt ClassOptions) *tensor.Tensor {
	if logits.Dims() == 0 {
		panic(ir.NewError("cross_entropy", "logits of shape [] have no classes"))
	}
	logp := logits.LogSoftmax(-1)
	if target.DType().Compute() == tensor.Float32 {
		return softCrossEntropy(logp, target, opt)
	}
	logp = validRows("cross_entropy", logp, target, opt.Ignore)
	nll, weight := classLoss("cross_entropy", logp, target, opt)
	if eps := opt.Smoothing; eps != 0 {
		all := logp
		if opt.Weight != nil {
			all = all.Mul(opt.Weight)
		}
		spread := masked(all.Mean(-1).Neg(), target, opt.Ignore)
		nll = nll.MulScalar(1 - eps).Add(spread.MulScalar(eps))
	}
	if weight != nil {
		return opt.Reduction.weighted(nll, weight)
	}
	return opt.Reduction.of(nll)
}

func softCrossEntropy(logp, q *tensor.Tensor, opt ClassOptions) *tensor.Tensor {
	same("cross_entropy", logp, q)
	if len(opt.Ignore) > 0 {
		panic(ir.NewError("cross_entropy", "Ignore needs integer targets, these are probabilities"))
	}
	if eps := opt.Smoothing; eps != 0 {
		q = q.MulScalar(1 - eps).AddScalar(eps / float64(logp.Dim(-1)))
	}
	if opt.Weight != nil {
		q = q.Mul(opt.Weight)
	}
	return opt.Reduction.of(logp.Mul(q).Sum(-1).Neg())
}

// NLL is -logp_target, the negative log likelihood, for log probabilities
// [.., classes] and integer targets [..].
func NLL(logp, target *tensor.Tensor, opt ClassOptions) *tensor.Tensor {
	l, weight := classLoss("nll", validRows("nll", logp, target, opt.Ignore), target, opt)
	if weight != nil {
		return opt.Reduction.weighted(l, weight)
	}
	return opt.Reduction.of(l)
}

// validRows checks that integer targets fit the scores [.., classes], and
// returns the scores, those of rows whose target is no class as NaN: so are the
// loss and the row's gradient then.
func validRows(op string, logp, target *tensor.Tensor, ignore []int) *tensor.Tensor {
	if logp.Dims() == 0 || !slices.Equal(target.Shape(), logp.Shape()[:logp.Dims()-1]) {
		panic(ir.NewError(op, "target of shape %v for scores of shape %v: the last dimension of the scores is the classes, the others are the target's", target.Shape(), logp.Shape()))
	}
	if valid := tensor.Valid(op, "label", target, logp.Dim(-1), ignore...); valid != nil {
		logp = logp.Mul(valid.Unsqueeze(-1))
	}
	return logp
}

// classLoss returns -w_t logp_t for each target t, and the w_t, nil if they
// are all one.
func classLoss(op string, logp, target *tensor.Tensor, opt ClassOptions) (loss, weight *tensor.Tensor) {
	loss = logp.Gather(-1, target.Unsqueeze(-1)).Squeeze(-1).Neg()
	if w := opt.Weight; w != nil {
		if w.Dims() != 1 || w.Dim(0) != logp.Dim(-1) {
			panic(ir.NewError(op, "class weights of shape %v for %d classes", w.Shape(), logp.Dim(-1)))
		}
		weight = w.IndexSelect(0, target.Reshape(-1)).Reshape(target.Shape()...)
	} else if len(opt.Ignore) > 0 {
		weight = tensor.Full(1, target.Shape()...)
	}
	if weight == nil {
		return loss, nil
	}
	weight = masked(weight, target, opt.Ignore)
	return masked(loss, target, opt.Ignore).Mul(weight), weight
}

// masked is x with zeros where target is one of ignore.
func masked(x, target *tensor.Tensor, ignore []int) *tensor.Tensor {
	for _, v := range ignore {
		x = tensor.Where(target.EqScalar(float64(v)), tensor.Scalar(0), x)
	}
	return x
}

// FocalOptions are the choices of Focal.
type FocalOptions struct {
	Gamma     float64 // how much easy examples count less; 0 means 2, the paper's
	Alpha     float64 // factor of the whole; 0 means 1
	Reduction Reduction
}

// Focal is -Alpha (1 - p_t)^Gamma log p_t with p = softmax(logits), for
// logits [.., classes] and integer targets [..] (Lin et al., "Focal Loss for
// Dense Object Detection", 2017). Labels are as with CrossEntropy.
func Focal(logits, target *tensor.Tensor, opt FocalOptions) *tensor.Tensor {
	nll, _ := classLoss("focal", validRows("focal", logits.LogSoftmax(-1), target, nil), target, ClassOptions{})
	miss := nll.Neg().Expm1().Neg() // 1 - p, exact for p near 1
	gamma := orDefault(opt.Gamma, 2)
	var l *tensor.Tensor
	if gamma < 1 {
		// The slope of the power is infinite at 0, where the loss, its gradient and nll
		// are 0.
		sure := miss.Le(tensor.Scalar(smallestNormal))
		l = tensor.Where(sure, nll.Detach(), tensor.Where(sure, tensor.Scalar(1), miss).PowScalar(gamma).Mul(nll))
	} else {
		l = miss.PowScalar(gamma).Mul(nll)
	}
	return opt.Reduction.of(l.MulScalar(orDefault(opt.Alpha, 1)))
}

// Accuracy is the share of rows of logits [.., classes] whose greatest element
// is at the integer target [..].
func Accuracy(logits, target *tensor.Tensor) *tensor.Tensor {
	return logits.Argmax(-1).Eq(target).To(tensor.Float32).Mean()
}

// MSE is (x - t)^2.
func MSE(x, target *tensor.Tensor, r Reduction) *tensor.Tensor {
	same("mse", x, target)
	return r.of(x.Sub(target).Square())
}

// L1 is |x - t|.
func L1(x, target *tensor.Tensor, r Reduction) *tensor.Tensor {
	same("l1", x, target)
	return r.of(x.Sub(target).Abs())
}

// SmoothL1Options are the choices of SmoothL1.
type SmoothL1Options struct {
	Beta      float64 // where the parabola ends; 0 means 1
	Reduction Reduction
}

// SmoothL1 is d^2/(2 Beta) where d = |x - t| is below Beta, and d - Beta/2
// elsewhere (Girshick, "Fast R-CNN", 2015).
func SmoothL1(x, target *tensor.Tensor, opt SmoothL1Options) *tensor.Tensor {
	same("smooth_l1", x, target)
	beta := orDefault(opt.Beta, 1)
	return opt.Reduction.of(huber(x.Sub(target), beta).DivScalar(beta))
}

// HuberOptions are the choices of Huber.
type HuberOptions struct {
	Delta     float64 // where the parabola ends; 0 means 1
	Reduction Reduction
}

// Huber is d^2/2 where d = |x - t| is below Delta, and Delta (d - Delta/2)
// elsewhere (Huber, 1964).
func Huber(x, target *tensor.Tensor, opt HuberOptions) *tensor.Tensor {
	same("huber", x, target)
	return opt.Reduction.of(huber(x.Sub(target), orDefault(opt.Delta, 1)))
}

func huber(d *tensor.Tensor, delta float64) *tensor.Tensor {
	a := d.Abs()
	return tensor.Where(a.Lt(tensor.Scalar(delta)), d.Square().MulScalar(0.5), a.AddScalar(-delta/2).MulScalar(delta))
}

// BCEOptions are the choices of BCE and BCEWithLogits.
type BCEOptions struct {
	Weight *tensor.Tensor // factor of each element, broadcast; nil for 1
	// PosWeight is a factor of the positive part, broadcast over the last
	// dimensions; nil for 1. BCEWithLogits only.
	PosWeight *tensor.Tensor
	Reduction Reduction
}

// BCE is -(t log p + (1-t) log(1-p)) for probabilities p and targets in
// [0, 1]. Logarithms are limited to -100, as PyTorch does; where the model
// computes logits, BCEWithLogits is more exact.
func BCE(p, target *tensor.Tensor, opt BCEOptions) *tensor.Tensor {
	same("bce", p, target)
	one := tensor.Scalar(1)
	l := target.Mul(safeLog(p)).Add(one.Sub(target).Mul(safeLog(one.Sub(p)))).Neg()
	return opt.Reduction.of(times(l, opt.Weight))
}

// smallestNormal is the least float32 that no device takes for 0.
const smallestNormal = math.SmallestNonzeroFloat32 * (1 << 23)

// safeLog is log(x), and -100 without a gradient where that would be lower.
func safeLog(x *tensor.Tensor) *tensor.Tensor {
	low := x.Le(tensor.Scalar(smallestNormal)) // log would be -Inf on a GPU
	return tensor.Where(low, tensor.Scalar(-100), tensor.Where(low, tensor.Scalar(1), x).Log())
}

// BCEWithLogits is BCE of sigmoid(x), computed without overflow:
// (1-t) x + (1 + (PosWeight-1) t) log(1 + e^-x).
func BCEWithLogits(x, target *tensor.Tensor, opt BCEOptions) *tensor.Tensor {
	same("bce_with_logits", x, target)
	tail := x.Neg().Softplus()
	if opt.PosWeight != nil {
		tail = tail.Mul(opt.PosWeight.AddScalar(-1).Mul(target).AddScalar(1))
	}
	l := tensor.Scalar(1).Sub(target).Mul(x).Add(tail)
	return opt.Reduction.of(times(l, opt.Weight))
}

func times(l, weight *tensor.Tensor) *tensor.Tensor {
	if weight == nil {
		return l
	}
	return l.Mul(weight)
}

// KLDivOptions are the choices of KLDiv.
type KLDivOptions struct {
	LogTarget bool // the target is given as log probabilities
	Reduction Reduction
}

// KLDiv is t (log t - x), the divergence of the distribution t from the one
// whose log probabilities are x; 0 where t is 0. BatchMean is the reduction
// that gives the mathematical value.
func KLDiv(x, target *tensor.Tensor, opt KLDivOptions) *tensor.Tensor {
	same("kl_div", x, target)
	if opt.LogTarget {
		return opt.Reduction.of(target.Exp().Mul(target.Sub(x)))
	}
	zero := target.Le(tensor.Scalar(0))
	logT := tensor.Where(zero, tensor.Scalar(1), target).Log()
	return opt.Reduction.of(target.Mul(logT).Sub(target.Mul(x)))
}
