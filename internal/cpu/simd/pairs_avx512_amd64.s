// Every other element. Rows are short where images are pooled, so the loop over
// rows is here too, and what is left of a row goes with masks that are made once.
// Loads are masked so that they read no element past the last one that is wanted.

#include "textflag.h"

DATA evens<>+0(SB)/8, $0x0000000200000000
DATA evens<>+8(SB)/8, $0x0000000600000004
DATA evens<>+16(SB)/8, $0x0000000a00000008
DATA evens<>+24(SB)/8, $0x0000000e0000000c
DATA evens<>+32(SB)/8, $0x0000001200000010
DATA evens<>+40(SB)/8, $0x0000001600000014
DATA evens<>+48(SB)/8, $0x0000001a00000018
DATA evens<>+56(SB)/8, $0x0000001e0000001c
GLOBL evens<>(SB), RODATA|NOPTR, $64

DATA twice<>+0(SB)/8, $0x0000000000000000
DATA twice<>+8(SB)/8, $0x0000000100000001
DATA twice<>+16(SB)/8, $0x0000000200000002
DATA twice<>+24(SB)/8, $0x0000000300000003
DATA twice<>+32(SB)/8, $0x0000000400000004
DATA twice<>+40(SB)/8, $0x0000000500000005
DATA twice<>+48(SB)/8, $0x0000000600000006
DATA twice<>+56(SB)/8, $0x0000000700000007
DATA twice<>+64(SB)/8, $0x0000000800000008
DATA twice<>+72(SB)/8, $0x0000000900000009
DATA twice<>+80(SB)/8, $0x0000000a0000000a
DATA twice<>+88(SB)/8, $0x0000000b0000000b
DATA twice<>+96(SB)/8, $0x0000000c0000000c
DATA twice<>+104(SB)/8, $0x0000000d0000000d
DATA twice<>+112(SB)/8, $0x0000000e0000000e
DATA twice<>+120(SB)/8, $0x0000000f0000000f
GLOBL twice<>(SB), RODATA|NOPTR, $128

// ARGS loads dst, src, length, rows and step; R10 is the number of whole vectors
// of a row, R9 what is left of it, K3 its mask, and R12 has two bits for each element
// that is left.
#define ARGS \
	MOVQ  dst+0(FP), DI; \
	MOVQ  src+8(FP), SI; \
	MOVQ  length+16(FP), CX; \
	MOVQ  rows+24(FP), DX; \
	MOVQ  step+32(FP), R8; \
	SHLQ  $2, R8; \
	MOVQ  CX, R10; \
	SHRQ  $4, R10; \
	MOVQ  CX, R9; \
	ANDQ  $15, R9; \
	MOVQ  $1, AX; \
	SHLXQ R9, AX, R12; \
	DECQ  R12; \
	KMOVW R12, K3; \
	LEAQ  (R9)(R9*1), R13; \
	SHLXQ R13, AX, R12; \
	DECQ  R12

// func takeEvensAVX512(dst, src *float32, length, rows, step int)
TEXT ·takeEvensAVX512(SB), NOSPLIT, $0-40
	ARGS
	SHRQ $1, R12 // the last one's neighbour is not read
	KMOVW R12, K1
	SHRQ $16, R12
	KMOVW R12, K2
	MOVL $0x7fff, AX
	KMOVW AX, K4
	VMOVUPS evens<>(SB), Z31

row:
	MOVQ SI, R11
	MOVQ R10, R13

whole:
	TESTQ R13, R13
	JZ   rest
	VMOVUPS (R11), Z0
	VMOVUPS.Z 64(R11), K4, Z1
	VPERMT2PS Z1, Z31, Z0
	VMOVUPS Z0, (DI)
	ADDQ $128, R11
	ADDQ $64, DI
	DECQ R13
	JMP  whole

rest:
	TESTQ R9, R9
	JZ   next
	VMOVUPS.Z (R11), K1, Z0
	VMOVUPS.Z 64(R11), K2, Z1
	VPERMT2PS Z1, Z31, Z0
	VMOVUPS Z0, K3, (DI)
	LEAQ (DI)(R9*4), DI

next:
	ADDQ R8, SI
	DECQ DX
	JNZ  row
	VZEROUPPER
	RET

// func putEvensAVX512(dst, src *float32, length, rows, step int)
TEXT ·putEvensAVX512(SB), NOSPLIT, $0-40
	ARGS
	MOVL $0x5555, AX
	KMOVW AX, K5
	ANDL $0x55555555, R12
	KMOVW R12, K1
	SHRQ $16, R12
	KMOVW R12, K2

row:
	MOVQ DI, R11
	MOVQ R10, R13

whole:
	TESTQ R13, R13
	JZ   rest
	VMOVUPS (SI), Z0
	VEXTRACTF32X8 $1, Z0, Y2
	VEXPANDPS.Z Z0, K5, Z1
	VEXPANDPS.Z Z2, K5, Z3
	VMOVUPS Z1, K5, (R11)
	VMOVUPS Z3, K5, 64(R11)
	ADDQ $128, R11
	ADDQ $64, SI
	DECQ R13
	JMP  whole

rest:
	TESTQ R9, R9
	JZ   next
	VMOVUPS.Z (SI), K3, Z0
	VEXTRACTF32X8 $1, Z0, Y2
	VEXPANDPS.Z Z0, K5, Z1
	VEXPANDPS.Z Z2, K5, Z3
	VMOVUPS Z1, K1, (R11)
	VMOVUPS Z3, K2, 64(R11)
	LEAQ (SI)(R9*4), SI

next:
	ADDQ R8, DI
	DECQ DX
	JNZ  row
	VZEROUPPER
	RET

// func doubleAVX512(dst, src *float32, length int)
TEXT ·doubleAVX512(SB), NOSPLIT, $0-24
	MOVQ  dst+0(FP), DI
	MOVQ  src+8(FP), SI
	MOVQ  length+16(FP), CX
	VMOVUPS twice<>(SB), Z30
	VMOVUPS twice<>+64(SB), Z31

whole:
	SUBQ $16, CX
	JL   rest
	VMOVUPS (SI), Z0
	VPERMPS Z0, Z30, Z1
	VPERMPS Z0, Z31, Z2
	VMOVUPS Z1, (DI)
	VMOVUPS Z2, 64(DI)
	ADDQ $64, SI
	ADDQ $128, DI
	JMP  whole

rest:
	ADDQ $16, CX
	JZ   done
	MOVQ $1, AX
	SHLXQ CX, AX, R12
	DECQ R12
	KMOVW R12, K3
	ADDQ CX, CX
	SHLXQ CX, AX, R12
	DECQ R12
	KMOVW R12, K1
	SHRQ $16, R12
	KMOVW R12, K2
	VMOVUPS.Z (SI), K3, Z0
	VPERMPS Z0, Z30, Z1
	VPERMPS Z0, Z31, Z2
	VMOVUPS Z1, K1, (DI)
	VMOVUPS Z2, K2, 64(DI)

done:
	VZEROUPPER
	RET
