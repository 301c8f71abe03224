// What each version of each operator of the standard takes: attributes, and how
// many inputs and results. A node is checked against the version that its model's
// opset has, before it is computed: what an import does not know it must not pass
// over, because it may be what the result depends on.

package onnx

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// schema is an operator from one opset on.
type schema struct {
	since      int
	in, out    span
	attributes []string
}

// span is how many there may be: the least and the most, which is -1 for any number.
type span [2]int

func (s span) text() string {
	switch {
	case s[1] < 0:
		return fmt.Sprintf("%d or more", s[0])
	case s[0] == s[1]:
		return strconv.Itoa(s[0])
	}
	return fmt.Sprintf("%d to %d", s[0], s[1])
}

// schemas are those of each operator, oldest first.
var schemas = sync.OnceValue(func() map[string][]schema {
	m := map[string][]schema{}
	read := func(s string) span {
		lo, hi, both := strings.Cut(strings.TrimSuffix(s, "+"), "-")
		a, _ := strconv.Atoi(lo)
		b, _ := strconv.Atoi(hi)
		switch {
		case strings.HasSuffix(s, "+"):
			b = -1
		case !both:
			b = a
		}
		return span{a, b}
	}
	for line := range strings.Lines(schemaRows) {
		f := strings.Fields(line)
		since, _ := strconv.Atoi(f[1])
		m[f[0]] = append(m[f[0]], schema{since, read(f[2]), read(f[3]), f[4:]})
	}
	return m
})

// check compares a node with its operator's version in the opset. Operators that
// are not of the standard are not checked here.
func (n *nodeProto) check(opset int64) error {
	if n.kind() != n.OpType {
		return nil
	}
	versions := schemas()[n.OpType]
	if len(versions) == 0 {
		return nil
	}
	s := versions[0]
	for _, v := range versions {
		if int64(v.since) <= opset {
			s = v
		}
	}
	for _, a := range n.Attribute {
		if !slices.Contains(s.attributes, a.Name) {
			return fmt.Errorf("node %s: %s of opset %d has no attribute %s; it has %s", n.label(), n.OpType, opset, quote(a.Name), cmp.Or(strings.Join(s.attributes, ", "), "none"))
		}
	}
	in := len(n.Input)
	for in > s.in[0] && n.Input[in-1] == "" { // left out
		in--
	}
	if in < s.in[0] {
		return fmt.Errorf("node %s: input %d is missing, %s of opset %d takes %s", n.label(), in, n.OpType, opset, s.in.text())
	}
	if s.in[1] >= 0 && in > s.in[1] {
		return fmt.Errorf("node %s: %d inputs, %s of opset %d takes %s", n.label(), in, n.OpType, opset, s.in.text())
	}
	out := len(n.Output)
	for out > s.out[0] && n.Output[out-1] == "" {
		out--
	}
	if out < s.out[0] || s.out[1] >= 0 && out > s.out[1] {
		return fmt.Errorf("node %s: %d results, %s of opset %d has %s", n.label(), out, n.OpType, opset, s.out.text())
	}
	return nil
}

// schemaRows are operator, opset from which the row holds, numbers of inputs and
// of results (a-b, or a+ for a or more), and attributes
// (https://onnx.ai/onnx/operators). Versions that only allow more element types
// have no row.
const schemaRows = `Abs 1 1 1 consumed_inputs
Abs 6 1 1
Acos 7 1 1
Acosh 9 1 1
Add 1 2 1 axis broadcast consumed_inputs
Add 6 2 1 axis broadcast
Add 7 2 1
AffineGrid 20 2 1 align_corners
And 1 2 1 axis broadcast
And 7 2 1
ArgMax 1 1 1 axis keepdims
ArgMax 12 1 1 axis keepdims select_last_index
ArgMin 1 1 1 axis keepdims
ArgMin 12 1 1 axis keepdims select_last_index
Asin 7 1 1
Asinh 9 1 1
Atan 7 1 1
Atanh 9 1 1
Attention 23 3-6 1-4 is_causal kv_num_heads q_num_heads qk_matmul_output_mode scale softcap softmax_precision
Attention 24 3-7 1-4 is_causal kv_num_heads q_num_heads qk_matmul_output_mode scale softcap softmax_precision
Attention 25 3-7 1-4 is_causal kv_num_heads left_window_size local_window_size q_num_heads qk_matmul_output_mode right_window_size scale softcap softmax_precision
AveragePool 1 1 1 auto_pad kernel_shape pads strides
AveragePool 7 1 1 auto_pad count_include_pad kernel_shape pads strides
AveragePool 10 1 1 auto_pad ceil_mode count_include_pad kernel_shape pads strides
AveragePool 19 1 1 auto_pad ceil_mode count_include_pad dilations kernel_shape pads strides
BatchNormalization 1 5 1-5 consumed_inputs epsilon is_test momentum spatial
BatchNormalization 6 5 1-5 epsilon is_test momentum spatial
BatchNormalization 7 5 1-5 epsilon momentum spatial
BatchNormalization 9 5 1-5 epsilon momentum
BatchNormalization 14 5 1-3 epsilon momentum training_mode
Bernoulli 15 1 1 dtype seed
BitCast 26 1 1 to
BitShift 11 2 1 direction
BitwiseAnd 18 2 1
BitwiseNot 18 1 1
BitwiseOr 18 2 1
BitwiseXor 18 2 1
BlackmanWindow 17 1 1 output_datatype periodic
Cast 1 1 1 to
Cast 19 1 1 saturate to
Cast 24 1 1 round_mode saturate to
CastLike 15 2 1
CastLike 19 2 1 saturate
CastLike 24 2 1 round_mode saturate
CausalConvWithState 27 2-4 1-2 activation
Ceil 1 1 1 consumed_inputs
Ceil 6 1 1
Celu 12 1 1 alpha
CenterCropPad 18 2 1 axes
Clip 1 1 1 consumed_inputs max min
Clip 6 1 1 max min
Clip 11 1-3 1
Col2Im 18 3 1 dilations pads strides
Compress 9 2 1 axis
Concat 1 1+ 1 axis
ConcatFromSequence 11 1 1 axis new_axis
Constant 1 0 1 value
Constant 11 0 1 sparse_value value
Constant 12 0 1 sparse_value value value_float value_floats value_int value_ints value_string value_strings
ConstantOfShape 9 1 1 value
Conv 1 2-3 1 auto_pad dilations group kernel_shape pads strides
ConvInteger 10 2-4 1 auto_pad dilations group kernel_shape pads strides
ConvTranspose 1 2-3 1 auto_pad dilations group kernel_shape output_padding output_shape pads strides
Cos 7 1 1
Cosh 9 1 1
CumProd 26 2 1 exclusive reverse
CumSum 11 2 1 exclusive reverse
DFT 17 1-2 1 axis inverse onesided
DFT 20 1-3 1 inverse onesided
DeformConv 19 3-5 1 dilations group kernel_shape offset_group pads strides
DepthToSpace 1 1 1 blocksize
DepthToSpace 11 1 1 blocksize mode
DequantizeLinear 10 2-3 1
DequantizeLinear 13 2-3 1 axis
DequantizeLinear 21 2-3 1 axis block_size
DequantizeLinear 23 2-3 1 axis block_size output_dtype
Det 11 1 1
Div 1 2 1 axis broadcast consumed_inputs
Div 6 2 1 axis broadcast
Div 7 2 1
Dropout 1 1 1-2 consumed_inputs is_test ratio
Dropout 6 1 1-2 is_test ratio
Dropout 7 1 1-2 ratio
Dropout 12 1-3 1-2 seed
DynamicQuantizeLinear 11 1 3
Einsum 12 1+ 1 equation
Elu 1 1 1 alpha consumed_inputs
Elu 6 1 1 alpha
Equal 1 2 1 axis broadcast
Equal 7 2 1
Erf 9 1 1
Exp 1 1 1 consumed_inputs
Exp 6 1 1
Expand 8 2 1
EyeLike 9 1 1 dtype k
Flatten 1 1 1 axis
Floor 1 1 1 consumed_inputs
Floor 6 1 1
GRU 1 3-6 2 activation_alpha activation_beta activations clip direction hidden_size output_sequence
GRU 3 3-6 0-2 activation_alpha activation_beta activations clip direction hidden_size linear_before_reset output_sequence
GRU 7 3-6 0-2 activation_alpha activation_beta activations clip direction hidden_size linear_before_reset
GRU 14 3-6 0-2 activation_alpha activation_beta activations clip direction hidden_size layout linear_before_reset
Gather 1 2 1 axis
GatherElements 11 2 1 axis
GatherND 11 2 1
GatherND 12 2 1 batch_dims
Gelu 20 1 1 approximate
Gemm 1 3 1 alpha beta broadcast transA transB
Gemm 7 3 1 alpha beta transA transB
Gemm 11 2-3 1 alpha beta transA transB
GlobalAveragePool 1 1 1
GlobalLpPool 1 1 1 p
GlobalMaxPool 1 1 1
Greater 1 2 1 axis broadcast
Greater 7 2 1
GreaterOrEqual 12 2 1
GridSample 16 2 1 align_corners mode padding_mode
GroupNormalization 18 3 1 epsilon num_groups
GroupNormalization 21 3 1 epsilon num_groups stash_type
HammingWindow 17 1 1 output_datatype periodic
HannWindow 17 1 1 output_datatype periodic
HardSigmoid 1 1 1 alpha beta consumed_inputs
HardSigmoid 6 1 1 alpha beta
HardSwish 14 1 1
Hardmax 1 1 1 axis
Identity 1 1 1
If 1 1 1+ else_branch then_branch
ImageDecoder 20 1 1 pixel_format
InstanceNormalization 1 3 1 consumed_inputs epsilon
InstanceNormalization 6 3 1 epsilon
IsInf 10 1 1 detect_negative detect_positive
IsNaN 9 1 1
LRN 1 1 1 alpha beta bias size
LSTM 1 3-8 0-3 activation_alpha activation_beta activations clip direction hidden_size input_forget output_sequence
LSTM 7 3-8 0-3 activation_alpha activation_beta activations clip direction hidden_size input_forget
LSTM 14 3-8 0-3 activation_alpha activation_beta activations clip direction hidden_size input_forget layout
LayerNormalization 17 2-3 1-3 axis epsilon stash_type
LeakyRelu 1 1 1 alpha consumed_inputs
LeakyRelu 6 1 1 alpha
Less 1 2 1 axis broadcast
Less 7 2 1
LessOrEqual 12 2 1
Log 1 1 1 consumed_inputs
Log 6 1 1
LogSoftmax 1 1 1 axis
Loop 1 3+ 1+ body
Loop 11 2+ 1+ body
LinearAttention 27 3-6 1-2 chunk_size kv_num_heads q_num_heads scale update_rule
LpNormalization 1 1 1 axis p
LpPool 1 1 1 auto_pad kernel_shape p pads strides
LpPool 18 1 1 auto_pad ceil_mode dilations kernel_shape p pads strides
MatMul 1 2 1
MatMulInteger 10 2-4 1
Max 1 1+ 1 consumed_inputs
Max 6 1+ 1
MaxPool 1 1 1 auto_pad kernel_shape pads strides
MaxPool 8 1 1-2 auto_pad kernel_shape pads storage_order strides
MaxPool 10 1 1-2 auto_pad ceil_mode dilations kernel_shape pads storage_order strides
MaxRoiPool 1 2 1 pooled_shape spatial_scale
MaxUnpool 9 2-3 1 kernel_shape pads strides
Mean 1 1+ 1 consumed_inputs
Mean 6 1+ 1
MeanVarianceNormalization 9 1 1 axes
MelWeightMatrix 17 5 1 output_datatype
Min 1 1+ 1 consumed_inputs
Min 6 1+ 1
Mish 18 1 1
Mod 10 2 1 fmod
Mul 1 2 1 axis broadcast consumed_inputs
Mul 6 2 1 axis broadcast
Mul 7 2 1
Multinomial 7 1 1 dtype sample_size seed
Neg 1 1 1 consumed_inputs
Neg 6 1 1
NegativeLogLikelihoodLoss 12 2-3 1 ignore_index reduction
NonMaxSuppression 10 2-5 1 center_point_box
NonZero 9 1 1
Not 1 1 1
OneHot 9 3 1 axis
Optional 15 0-1 1 type
OptionalGetElement 15 1 1
OptionalHasElement 15 1 1
OptionalHasElement 18 0-1 1
Or 1 2 1 axis broadcast
Or 7 2 1
PRelu 1 2 1 consumed_inputs
PRelu 6 2 1
Pad 1 1 1 mode paddings value
Pad 2 1 1 mode pads value
Pad 11 2-3 1 mode
Pad 18 2-4 1 mode
Pow 1 2 1 axis broadcast
Pow 7 2 1
QLinearConv 10 8-9 1 auto_pad dilations group kernel_shape pads strides
QLinearMatMul 10 8 1
QuantizeLinear 10 2-3 1
QuantizeLinear 13 2-3 1 axis
QuantizeLinear 19 2-3 1 axis saturate
QuantizeLinear 21 2-3 1 axis block_size output_dtype saturate
QuantizeLinear 23 2-3 1 axis block_size output_dtype precision saturate
RMSNormalization 23 2 1 axis epsilon stash_type
RNN 1 3-6 0-2 activation_alpha activation_beta activations clip direction hidden_size output_sequence
RNN 7 3-6 0-2 activation_alpha activation_beta activations clip direction hidden_size
RNN 14 3-6 0-2 activation_alpha activation_beta activations clip direction hidden_size layout
RandomNormal 1 0 1 dtype mean scale seed shape
RandomNormalLike 1 1 1 dtype mean scale seed
RandomUniform 1 0 1 dtype high low seed shape
RandomUniformLike 1 1 1 dtype high low seed
Range 11 3 1
Range 27 3 1 stash_type
Reciprocal 1 1 1 consumed_inputs
Reciprocal 6 1 1
ReduceL1 1 1 1 axes keepdims
ReduceL1 18 1-2 1 keepdims noop_with_empty_axes
ReduceL2 1 1 1 axes keepdims
ReduceL2 18 1-2 1 keepdims noop_with_empty_axes
ReduceLogSum 1 1 1 axes keepdims
ReduceLogSum 18 1-2 1 keepdims noop_with_empty_axes
ReduceLogSumExp 1 1 1 axes keepdims
ReduceLogSumExp 18 1-2 1 keepdims noop_with_empty_axes
ReduceMax 1 1 1 axes keepdims
ReduceMax 18 1-2 1 keepdims noop_with_empty_axes
ReduceMean 1 1 1 axes keepdims
ReduceMean 18 1-2 1 keepdims noop_with_empty_axes
ReduceMin 1 1 1 axes keepdims
ReduceMin 18 1-2 1 keepdims noop_with_empty_axes
ReduceProd 1 1 1 axes keepdims
ReduceProd 18 1-2 1 keepdims noop_with_empty_axes
ReduceSum 1 1 1 axes keepdims
ReduceSum 13 1-2 1 keepdims noop_with_empty_axes
ReduceSumSquare 1 1 1 axes keepdims
ReduceSumSquare 18 1-2 1 keepdims noop_with_empty_axes
RegexFullMatch 20 1 1 pattern
Relu 1 1 1 consumed_inputs
Relu 6 1 1
Reshape 1 1 1 consumed_inputs shape
Reshape 5 2 1
Reshape 14 2 1 allowzero
Resize 10 2 1 mode
Resize 11 3-4 1 coordinate_transformation_mode cubic_coeff_a exclude_outside extrapolation_value mode nearest_mode
Resize 13 1-4 1 coordinate_transformation_mode cubic_coeff_a exclude_outside extrapolation_value mode nearest_mode
Resize 18 1-4 1 antialias axes coordinate_transformation_mode cubic_coeff_a exclude_outside extrapolation_value keep_aspect_ratio_policy mode nearest_mode
ReverseSequence 10 2 1 batch_axis time_axis
RoiAlign 10 3 1 mode output_height output_width sampling_ratio spatial_scale
RoiAlign 16 3 1 coordinate_transformation_mode mode output_height output_width sampling_ratio spatial_scale
RotaryEmbedding 23 3-4 1 interleaved num_heads rotary_embedding_dim
Round 11 1 1
STFT 17 2-4 1 onesided
Scan 8 2+ 1+ body directions num_scan_inputs
Scan 9 1+ 1+ body num_scan_inputs scan_input_axes scan_input_directions scan_output_axes scan_output_directions
Scatter 9 3 1 axis
ScatterElements 11 3 1 axis
ScatterElements 16 3 1 axis reduction
ScatterND 11 3 1
ScatterND 16 3 1 reduction
Selu 1 1 1 alpha consumed_inputs gamma
Selu 6 1 1 alpha gamma
SequenceAt 11 2 1
SequenceConstruct 11 1+ 1
SequenceEmpty 11 0 1 dtype
SequenceErase 11 1-2 1
SequenceInsert 11 2-3 1
SequenceLength 11 1 1
SequenceMap 17 1+ 1+ body
Shape 1 1 1
Shape 15 1 1 end start
Shrink 9 1 1 bias lambd
Sigmoid 1 1 1 consumed_inputs
Sigmoid 6 1 1
Sign 9 1 1
Sin 7 1 1
Sinh 9 1 1
Size 1 1 1
Slice 1 1 1 axes ends starts
Slice 10 3-5 1
Softmax 1 1 1 axis
SoftmaxCrossEntropyLoss 12 2-3 1-2 ignore_index reduction
Softplus 1 1 1
Softsign 1 1 1
SpaceToDepth 1 1 1 blocksize
SpaceToDepth 25 1 1 blocksize mode
Split 1 1-2 1+ axis split
Split 2 1 1+ axis split
Split 13 1-2 1+ axis
Split 18 1-2 1+ axis num_outputs
SplitToSequence 11 1-2 1 axis keepdims
Sqrt 1 1 1 consumed_inputs
Sqrt 6 1 1
Squeeze 1 1 1 axes
Squeeze 13 1-2 1
StringConcat 20 2 1
StringNormalizer 10 1 1 case_change_action is_case_sensitive locale stopwords
StringSplit 20 1 2 delimiter maxsplit
Sub 1 2 1 axis broadcast consumed_inputs
Sub 6 2 1 axis broadcast
Sub 7 2 1
Sum 1 1+ 1 consumed_inputs
Sum 6 1+ 1
Swish 24 1 1 alpha
Tan 7 1 1
Tanh 1 1 1 consumed_inputs
Tanh 6 1 1
TensorScatter 24 2-3 1 axis mode
TfIdfVectorizer 9 1 1 max_gram_length max_skip_count min_gram_length mode ngram_counts ngram_indexes pool_int64s pool_strings weights
ThresholdedRelu 1 1 1 alpha
Tile 1 3 1
Tile 6 2 1
TopK 1 1 2 axis k
TopK 10 2 2 axis
TopK 11 2 2 axis largest sorted
Transpose 1 1 1 perm
Trilu 14 1-2 1 upper
Unique 11 1 1-4 axis sorted
Unsqueeze 1 1 1 axes
Unsqueeze 13 2 1
Upsample 7 1 1 mode scales
Upsample 9 2 1 mode
Where 9 3 1
Xor 1 2 1 axis broadcast
Xor 7 2 1`
