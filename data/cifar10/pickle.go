// Python's pickles are programs for a stack machine that may call any function.
// This reader runs the part of it that builds lists, dictionaries and strings;
// functions are names that it never calls. An array is recognised by the shape
// that numpy gives to its own pickles: a state of version, shape, type, order
// and bytes. Strings are slices of the file, every instruction adds at most one
// value, and nothing is followed recursively, so that no file can make it use
// more than a small multiple of its own size.

package cifar10

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

type (
	mark   struct{}
	global struct{ name string } // never called
	// object is what calling a global would have made.
	object struct {
		class any
		args  any
		state any
	}
	list  struct{ items []any }
	tuple []any
	dict  struct{ items map[string]any }
)

var errPickle = errors.New("not a pickle of the expected kind")

// parsePickle reads a batch as the Python archive holds it: a dictionary with
// "data", a numpy array [n, 3072] of bytes, and "labels", a list of integers.
func parsePickle(raw []byte) (b batch, err error) {
	v, err := unpickle(raw)
	if err != nil {
		return b, err
	}
	d, ok := v.(*dict)
	if !ok {
		return b, fmt.Errorf("%w: it holds a %T, no dictionary", errPickle, v)
	}
	labels, ok := d.items["labels"].(*list)
	if !ok {
		return b, fmt.Errorf("%w: no list \"labels\"", errPickle)
	}
	pixels, err := arrayBytes(d.items["data"])
	if err != nil {
		return b, err
	}
	if len(pixels) != len(labels.items)*imageSize {
		return b, fmt.Errorf("%w: %d labels and %d bytes of images", errPickle, len(labels.items), len(pixels))
	}
	b.images = bytes.Clone(pixels)
	for _, l := range labels.items {
		n, ok := l.(int64)
		if !ok || n < 0 || n >= int64(len(Classes)) {
			// The value itself is not printed: one that holds another twice, and
			// so on, would have no end.
			return b, fmt.Errorf("%w: a label is no integer from 0 to 9", errPickle)
		}
		b.labels = append(b.labels, uint8(n))
	}
	return b, nil
}

// arrayBytes is the data of a pickled numpy array of bytes with rows of 3,072.
func arrayBytes(v any) ([]byte, error) {
	bad := func(what string) ([]byte, error) {
		return nil, fmt.Errorf("%w: \"data\" %s", errPickle, what)
	}
	o, ok := v.(*object)
	if !ok {
		return bad("is no array")
	}
	s, ok := o.state.(tuple)
	if !ok || len(s) != 5 {
		return bad("has not the state of an array")
	}
	shape, ok := s[1].(tuple)
	if !ok || len(shape) != 2 || shape[1] != int64(imageSize) {
		return bad("has not the shape [n, 3072]")
	}
	rows, ok := shape[0].(int64)
	if !ok || rows < 0 || rows > maxFile/imageSize {
		return bad("has no or too many rows")
	}
	if kind, ok := s[2].(*object); !ok || !isUint8(kind) {
		return bad("is not of bytes")
	}
	if s[3] != false {
		return bad("is in Fortran's order")
	}
	raw, ok := s[4].([]byte)
	if !ok || int64(len(raw)) != rows*imageSize {
		return bad("has more or fewer bytes than its shape says")
	}
	return raw, nil
}

func isUint8(kind *object) bool {
	args, ok := kind.args.(tuple)
	if !ok || len(args) == 0 {
		return false
	}
	name, ok := args[0].([]byte)
	return ok && string(name) == "u1"
}

// machine is the state of a pickle being read.
type machine struct {
	raw   []byte
	at    int
	stack []any
	memo  map[uint32]any
}

func (m *machine) bytes(n int) []byte {
	if n < 0 || n > len(m.raw)-m.at {
		panic(fmt.Errorf("%w: it ends early", errPickle))
	}
	b := m.raw[m.at : m.at+n : m.at+n]
	m.at += n
	return b
}

func (m *machine) uint(size int) uint64 {
	var b [8]byte
	copy(b[:], m.bytes(size))
	return binary.LittleEndian.Uint64(b[:])
}

// sized reads a length of so many bytes and then as many bytes.
func (m *machine) sized(size int) []byte {
	n := m.uint(size)
	if n > uint64(len(m.raw)) {
		panic(fmt.Errorf("%w: a string of %d bytes", errPickle, n))
	}
	return m.bytes(int(n))
}

func (m *machine) line() string {
	i := bytes.IndexByte(m.raw[m.at:], '\n')
	if i < 0 {
		panic(fmt.Errorf("%w: it ends early", errPickle))
	}
	s := m.bytes(i + 1)
	return string(s[:i])
}

func (m *machine) push(v any) { m.stack = append(m.stack, v) }

func (m *machine) pop() any {
	if len(m.stack) == 0 {
		panic(fmt.Errorf("%w: its stack is empty", errPickle))
	}
	v := m.stack[len(m.stack)-1]
	m.stack = m.stack[:len(m.stack)-1]
	return v
}

// popN takes the last n values.
func (m *machine) popN(n int) []any {
	if len(m.stack) < n {
		panic(fmt.Errorf("%w: its stack is empty", errPickle))
	}
	v := append([]any(nil), m.stack[len(m.stack)-n:]...)
	m.stack = m.stack[:len(m.stack)-n]
	return v
}

// popMark takes the values since the last mark, and the mark.
func (m *machine) popMark() []any {
	for i := len(m.stack) - 1; i >= 0; i-- {
		if _, ok := m.stack[i].(mark); ok {
			v := m.popN(len(m.stack) - 1 - i)
			m.pop()
			return v
		}
	}
	panic(fmt.Errorf("%w: no mark", errPickle))
}

func (m *machine) get(i uint32) {
	v, ok := m.memo[i]
	if !ok {
		panic(fmt.Errorf("%w: nothing is remembered as %d", errPickle, i))
	}
	m.push(v)
}

func (m *machine) put(i uint32) {
	v := m.pop()
	m.push(v)
	m.memo[i] = v
}

// add appends to the list, or sets pairs of the dictionary, on top.
func (m *machine) add(values []any) {
	switch top := m.pop().(type) {
	case *list:
		top.items = append(top.items, values...)
		m.push(top)
	case *dict:
		if len(values)%2 != 0 {
			panic(fmt.Errorf("%w: a key without a value", errPickle))
		}
		for i := 0; i < len(values); i += 2 {
			k, ok := values[i].([]byte)
			if !ok || len(k) > 64 {
				panic(fmt.Errorf("%w: a key that is no short string", errPickle))
			}
			top.items[string(k)] = values[i+1]
		}
		m.push(top)
	default:
		panic(fmt.Errorf("%w: it adds to a %T", errPickle, top))
	}
}

// unpickle runs the instructions of pickle protocols 2 to 4 that data needs
// (Python's Lib/pickletools.py describes them).
func unpickle(raw []byte) (v any, err error) {
	m := &machine{raw: raw, memo: map[uint32]any{}}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(error)
			if !ok || !errors.Is(e, errPickle) {
				panic(r)
			}
			v, err = nil, e
		}
	}()
	for {
		switch op := m.bytes(1)[0]; op {
		case 0x80: // PROTO
			if p := m.uint(1); p > 5 {
				return nil, fmt.Errorf("%w: protocol %d", errPickle, p)
			}
		case 0x95: // FRAME
			m.uint(8)
		case '.': // STOP
			return m.pop(), nil
		case '(':
			m.push(mark{})
		case 'N':
			m.push(nil)
		case 0x88:
			m.push(true)
		case 0x89:
			m.push(false)
		case 'K': // BININT1
			m.push(int64(m.uint(1)))
		case 'M': // BININT2
			m.push(int64(m.uint(2)))
		case 'J': // BININT
			m.push(int64(int32(m.uint(4))))
		case 'U', 'C', 0x8c: // SHORT_BINSTRING, SHORT_BINBYTES, SHORT_BINUNICODE
			m.push(m.sized(1))
		case 'T', 'B', 'X': // BINSTRING, BINBYTES, BINUNICODE
			m.push(m.sized(4))
		case 0x8d, 0x8e: // BINUNICODE8, BINBYTES8
			m.push(m.sized(8))
		case ']':
			m.push(&list{})
		case '}':
			m.push(&dict{map[string]any{}})
		case ')':
			m.push(tuple{})
		case 'a', 's': // APPEND, SETITEM
			m.add(m.popN(map[byte]int{'a': 1, 's': 2}[op]))
		case 'e', 'u': // APPENDS, SETITEMS
			m.add(m.popMark())
		case 't':
			m.push(tuple(m.popMark()))
		case 0x85, 0x86, 0x87: // TUPLE1 to TUPLE3
			m.push(tuple(m.popN(int(op - 0x84))))
		case 'c': // GLOBAL
			module := m.line()
			m.push(&global{module + "." + m.line()})
		case 0x93: // STACK_GLOBAL
			m.popN(2)
			m.push(&global{})
		case 'R', 0x81: // REDUCE, NEWOBJ
			v := m.popN(2)
			m.push(&object{class: v[0], args: v[1]})
		case 'b': // BUILD
			state := m.pop()
			o, ok := m.pop().(*object)
			if !ok {
				return nil, fmt.Errorf("%w: a state for no object", errPickle)
			}
			o.state = state
			m.push(o)
		case 'q': // BINPUT
			m.put(uint32(m.uint(1)))
		case 'r': // LONG_BINPUT
			m.put(uint32(m.uint(4)))
		case 0x94: // MEMOIZE
			m.put(uint32(len(m.memo)))
		case 'h': // BINGET
			m.get(uint32(m.uint(1)))
		case 'j': // LONG_BINGET
			m.get(uint32(m.uint(4)))
		default:
			return nil, fmt.Errorf("%w: instruction %#02x at byte %d", errPickle, op, m.at-1)
		}
	}
}
