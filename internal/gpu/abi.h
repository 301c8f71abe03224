// The part of the WebGPU C interface (webgpu.h, as wgpu-native v29 implements it)
// that a compute layer needs, declared here rather than vendored: the archives
// come as Go modules, and cgo cannot include a header of another module. Layouts
// and numbers follow the published header; native.c refuses to run against an
// archive of another major version.

#ifndef WEFT_GPU_ABI_H
#define WEFT_GPU_ABI_H

#include <stddef.h>
#include <stdint.h>

typedef uint64_t WGPUFlags;
typedef uint32_t WGPUBool;
typedef uint32_t WGPUEnum;

typedef struct WGPUInstanceImpl *WGPUInstance;
typedef struct WGPUAdapterImpl *WGPUAdapter;
typedef struct WGPUDeviceImpl *WGPUDevice;
typedef struct WGPUQueueImpl *WGPUQueue;
typedef struct WGPUBufferImpl *WGPUBuffer;
typedef struct WGPUShaderModuleImpl *WGPUShaderModule;
typedef struct WGPUBindGroupImpl *WGPUBindGroup;
typedef struct WGPUBindGroupLayoutImpl *WGPUBindGroupLayout;
typedef struct WGPUPipelineLayoutImpl *WGPUPipelineLayout;
typedef struct WGPUComputePipelineImpl *WGPUComputePipeline;
typedef struct WGPUCommandEncoderImpl *WGPUCommandEncoder;
typedef struct WGPUCommandBufferImpl *WGPUCommandBuffer;
typedef struct WGPUComputePassEncoderImpl *WGPUComputePassEncoder;
typedef struct WGPUQuerySetImpl *WGPUQuerySet;

typedef struct { const char *data; size_t length; } WGPUStringView;
typedef struct WGPUChain { struct WGPUChain *next; WGPUEnum sType; } WGPUChain;
typedef struct { uint64_t id; } WGPUFuture;

enum {
	WGPU_SUCCESS = 1,
	WGPU_STYPE_WGSL = 2,
	WGPU_STYPE_INSTANCE_EXTRAS = 0x00030004,
	WGPU_BACKEND_D3D12 = 4, WGPU_BACKEND_METAL = 5, WGPU_BACKEND_VULKAN = 6,
	WGPU_ADAPTER_DISCRETE = 1, WGPU_ADAPTER_INTEGRATED = 2, WGPU_ADAPTER_CPU = 3,
	WGPU_ERROR_OUT_OF_MEMORY = 3,
	WGPU_FEATURE_TIMESTAMPS = 0x9, WGPU_FEATURE_F16 = 0xB, WGPU_FEATURE_SUBGROUPS = 0x12,
	WGPU_BIND_UNIFORM = 2, WGPU_BIND_STORAGE = 3, WGPU_BIND_READ_STORAGE = 4,
	WGPU_CALLBACK_SPONTANEOUS = 3,
	WGPU_LOST_DESTROYED = 2, WGPU_LOST_CANCELLED = 3,
	WGPU_QUERY_TIMESTAMP = 2,
};

#define WGPU_INSTANCE_VULKAN (1u << 0)
#define WGPU_INSTANCE_METAL (1u << 2)
#define WGPU_INSTANCE_DX12 (1u << 3)
#define WGPU_USE_MAP_READ 0x1u
#define WGPU_USE_COPY_SRC 0x4u
#define WGPU_USE_COPY_DST 0x8u
#define WGPU_USE_UNIFORM 0x40u
#define WGPU_USE_STORAGE 0x80u
#define WGPU_USE_QUERY_RESOLVE 0x200u
#define WGPU_MAP_READ 1u
#define WGPU_STAGE_COMPUTE 4u

typedef struct {
	WGPUChain chain;
	WGPUFlags backends, flags;
	WGPUEnum dx12Compiler, gles3Minor, glFence;
	WGPUStringView dxcPath;
	WGPUEnum dxcMaxShaderModel, dx12Presentation;
	const uint8_t *budgetForCreation, *budgetForLoss;
	// The windowing handle is a tag and a union of at most two pointers, all zero
	// here.
	uint64_t display[3];
} WGPUInstanceExtras;

typedef struct {
	WGPUChain *next;
	size_t featureCount;
	const WGPUEnum *features;
	const void *limits;
} WGPUInstanceDescriptor;

typedef struct { const WGPUChain *next; WGPUFlags backends; } WGPUEnumerateOptions;

typedef struct {
	WGPUChain *next;
	WGPUStringView vendor, architecture, device, description;
	WGPUEnum backendType, adapterType;
	uint32_t vendorID, deviceID, subgroupMin, subgroupMax;
} WGPUAdapterInfo;

typedef struct {
	WGPUChain *next;
	uint32_t textureDimension1D, textureDimension2D, textureDimension3D, textureArrayLayers;
	uint32_t bindGroups, bindGroupsPlusVertexBuffers, bindingsPerBindGroup;
	uint32_t dynamicUniformBuffers, dynamicStorageBuffers;
	uint32_t sampledTextures, samplers, storageBuffers, storageTextures, uniformBuffers;
	uint64_t uniformBinding, storageBinding;
	uint32_t uniformAlign, storageAlign, vertexBuffers;
	uint64_t bufferSize;
	uint32_t vertexAttributes, vertexStride, interStage, colorAttachments, colorBytes;
	uint32_t workgroupStorage, invocations, sizeX, sizeY, sizeZ, workgroups;
	uint32_t immediateSize;
} WGPULimits;

typedef void (*WGPUDeviceLostFn)(const WGPUDevice *, WGPUEnum reason, WGPUStringView, void *, void *);
typedef void (*WGPUErrorFn)(const WGPUDevice *, WGPUEnum type, WGPUStringView, void *, void *);
typedef void (*WGPURequestDeviceFn)(WGPUEnum status, WGPUDevice, WGPUStringView, void *, void *);
typedef void (*WGPUStatusFn)(WGPUEnum status, WGPUStringView, void *, void *); // map, work done
typedef void (*WGPULogFn)(WGPUEnum level, WGPUStringView, void *);

typedef struct { WGPUChain *next; WGPUEnum mode; WGPUDeviceLostFn fn; void *u1, *u2; } WGPUDeviceLostCallback;
typedef struct { WGPUChain *next; WGPUErrorFn fn; void *u1, *u2; } WGPUErrorCallback;
typedef struct { WGPUChain *next; WGPUEnum mode; WGPURequestDeviceFn fn; void *u1, *u2; } WGPURequestDeviceCallback;
typedef struct { WGPUChain *next; WGPUEnum mode; WGPUStatusFn fn; void *u1, *u2; } WGPUStatusCallback;

typedef struct { WGPUChain *next; WGPUStringView label; } WGPULabelled; // encoder, queue, command buffer, shader module

typedef struct {
	WGPUChain *next;
	WGPUStringView label;
	size_t featureCount;
	const WGPUEnum *features;
	const WGPULimits *limits;
	WGPULabelled queue;
	WGPUDeviceLostCallback lost;
	WGPUErrorCallback error;
} WGPUDeviceDescriptor;

typedef struct { WGPUChain *next; WGPUStringView label; WGPUFlags usage; uint64_t size; WGPUBool mapped; } WGPUBufferDescriptor;
typedef struct { WGPUChain chain; WGPUStringView code; } WGPUShaderSourceWGSL;

typedef struct {
	WGPUChain *next;
	uint32_t binding;
	WGPUFlags visibility;
	uint32_t arraySize;
	struct { WGPUChain *next; WGPUEnum type; WGPUBool dynamic; uint64_t minSize; } buffer;
	struct { WGPUChain *next; WGPUEnum type; } sampler;
	struct { WGPUChain *next; WGPUEnum sampleType, dimension; WGPUBool multisampled; } texture;
	struct { WGPUChain *next; WGPUEnum access, format, dimension; } storageTexture;
} WGPUBindGroupLayoutEntry;

typedef struct { WGPUChain *next; WGPUStringView label; size_t count; const WGPUBindGroupLayoutEntry *entries; } WGPUBindGroupLayoutDescriptor;
typedef struct { WGPUChain *next; uint32_t binding; WGPUBuffer buffer; uint64_t offset, size; void *sampler, *texture; } WGPUBindGroupEntry;
typedef struct { WGPUChain *next; WGPUStringView label; WGPUBindGroupLayout layout; size_t count; const WGPUBindGroupEntry *entries; } WGPUBindGroupDescriptor;
typedef struct { WGPUChain *next; WGPUStringView label; size_t count; const WGPUBindGroupLayout *layouts; uint32_t immediateSize; } WGPUPipelineLayoutDescriptor;

typedef struct {
	WGPUChain *next;
	WGPUStringView label;
	WGPUPipelineLayout layout;
	struct { WGPUChain *next; WGPUShaderModule module; WGPUStringView entry; size_t constantCount; const void *constants; } compute;
} WGPUComputePipelineDescriptor;

typedef struct { WGPUChain *next; WGPUQuerySet set; uint32_t begin, end; } WGPUPassTimestamps;
typedef struct { WGPUChain *next; WGPUStringView label; const WGPUPassTimestamps *timestamps; } WGPUComputePassDescriptor;
typedef struct { WGPUChain *next; WGPUStringView label; WGPUEnum type; uint32_t count; } WGPUQuerySetDescriptor;

WGPUInstance wgpuCreateInstance(const WGPUInstanceDescriptor *);
size_t wgpuInstanceEnumerateAdapters(WGPUInstance, const WGPUEnumerateOptions *, WGPUAdapter *);
WGPUEnum wgpuAdapterGetInfo(WGPUAdapter, WGPUAdapterInfo *);
void wgpuAdapterInfoFreeMembers(WGPUAdapterInfo);
WGPUEnum wgpuAdapterGetLimits(WGPUAdapter, WGPULimits *);
WGPUBool wgpuAdapterHasFeature(WGPUAdapter, WGPUEnum);
WGPUFuture wgpuAdapterRequestDevice(WGPUAdapter, const WGPUDeviceDescriptor *, WGPURequestDeviceCallback);
void wgpuAdapterRelease(WGPUAdapter);
WGPUQueue wgpuDeviceGetQueue(WGPUDevice);
WGPUBool wgpuDevicePoll(WGPUDevice, WGPUBool wait, const uint64_t *submission);
void wgpuDeviceDestroy(WGPUDevice);
void wgpuDeviceRelease(WGPUDevice);
WGPUBuffer wgpuDeviceCreateBuffer(WGPUDevice, const WGPUBufferDescriptor *);
WGPUShaderModule wgpuDeviceCreateShaderModuleTrusted(WGPUDevice, const WGPULabelled *, WGPUFlags checks);
WGPUShaderModule wgpuDeviceCreateShaderModule(WGPUDevice, const WGPULabelled *);
WGPUBindGroupLayout wgpuDeviceCreateBindGroupLayout(WGPUDevice, const WGPUBindGroupLayoutDescriptor *);
WGPUPipelineLayout wgpuDeviceCreatePipelineLayout(WGPUDevice, const WGPUPipelineLayoutDescriptor *);
WGPUBindGroup wgpuDeviceCreateBindGroup(WGPUDevice, const WGPUBindGroupDescriptor *);
WGPUComputePipeline wgpuDeviceCreateComputePipeline(WGPUDevice, const WGPUComputePipelineDescriptor *);
WGPUCommandEncoder wgpuDeviceCreateCommandEncoder(WGPUDevice, const WGPULabelled *);
WGPUQuerySet wgpuDeviceCreateQuerySet(WGPUDevice, const WGPUQuerySetDescriptor *);
WGPUComputePassEncoder wgpuCommandEncoderBeginComputePass(WGPUCommandEncoder, const WGPUComputePassDescriptor *);
void wgpuCommandEncoderCopyBufferToBuffer(WGPUCommandEncoder, WGPUBuffer, uint64_t, WGPUBuffer, uint64_t, uint64_t);
void wgpuCommandEncoderResolveQuerySet(WGPUCommandEncoder, WGPUQuerySet, uint32_t first, uint32_t count, WGPUBuffer, uint64_t);
WGPUCommandBuffer wgpuCommandEncoderFinish(WGPUCommandEncoder, const WGPULabelled *);
void wgpuCommandEncoderRelease(WGPUCommandEncoder);
void wgpuCommandBufferRelease(WGPUCommandBuffer);
void wgpuComputePassEncoderSetPipeline(WGPUComputePassEncoder, WGPUComputePipeline);
void wgpuComputePassEncoderSetBindGroup(WGPUComputePassEncoder, uint32_t, WGPUBindGroup, size_t, const uint32_t *);
void wgpuComputePassEncoderDispatchWorkgroups(WGPUComputePassEncoder, uint32_t, uint32_t, uint32_t);
void wgpuComputePassEncoderEnd(WGPUComputePassEncoder);
void wgpuComputePassEncoderRelease(WGPUComputePassEncoder);
uint64_t wgpuQueueSubmitForIndex(WGPUQueue, size_t, const WGPUCommandBuffer *);
WGPUFuture wgpuQueueOnSubmittedWorkDone(WGPUQueue, WGPUStatusCallback);
void wgpuQueueWriteBuffer(WGPUQueue, WGPUBuffer, uint64_t, const void *, size_t);
float wgpuQueueGetTimestampPeriod(WGPUQueue);
void wgpuQueueRelease(WGPUQueue);
WGPUFuture wgpuBufferMapAsync(WGPUBuffer, WGPUFlags, size_t, size_t, WGPUStatusCallback);
const void *wgpuBufferGetConstMappedRange(WGPUBuffer, size_t, size_t);
void wgpuBufferUnmap(WGPUBuffer);
void wgpuBufferDestroy(WGPUBuffer);
void wgpuBufferRelease(WGPUBuffer);
void wgpuShaderModuleRelease(WGPUShaderModule);
void wgpuBindGroupRelease(WGPUBindGroup);
void wgpuBindGroupLayoutRelease(WGPUBindGroupLayout);
void wgpuPipelineLayoutRelease(WGPUPipelineLayout);
void wgpuComputePipelineRelease(WGPUComputePipeline);
void wgpuQuerySetRelease(WGPUQuerySet);
void wgpuSetLogCallback(WGPULogFn, void *);
void wgpuSetLogLevel(WGPUEnum);
uint32_t wgpuGetVersion(void);

#endif
