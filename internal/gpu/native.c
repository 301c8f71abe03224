//go:build cgo && ((linux && !android && (amd64 || arm64)) || (darwin && !ios && (amd64 || arm64)) || (windows && amd64))

// The native driver over wgpu-native.
//
// Errors are caught without error scopes: wgpu-native reports a failed call to
// the uncaptured-error callback before that call returns and on the same thread,
// so the callback leaves the text in a thread-local slot that the wrapper empties
// before and collects after. That keeps errors of kernels that compile on several
// threads apart, and costs nothing when all is well.
//
// A submit whose command buffer is invalid ends the process, so the error of
// Finish is read first and such a command buffer is dropped.

#include "native.h"
#include "abi.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(_WIN32)
#include <windows.h>
#define PAUSE() Sleep(0)
#else
#include <sched.h>
#define PAUSE() sched_yield()
#endif

#define PTR(type, handle) ((type)(uintptr_t)(handle))
#define HANDLE(p) ((uint64_t)(uintptr_t)(p))

static WGPUInstance instance;
static WGPUAdapter *adapters;
static size_t adapter_count;

static _Thread_local char *err_text;
static _Thread_local uint32_t err_type;

#define RING 4096 // submits whose wgpu index is remembered; older ones wait for a newer one

struct wg_device {
	WGPUDevice dev;
	WGPUQueue queue;
	float period; // nanoseconds of a timestamp tick
	_Atomic uint64_t submitted, finished;
	_Atomic(char *) lost;
	struct { _Atomic uint64_t serial, index; } ring[RING];
};

static char *copy_view(WGPUStringView v) {
	size_t n = v.data == NULL ? 0 : v.length == SIZE_MAX ? strlen(v.data) : v.length;
	char *s = malloc(n + 1);
	if (n > 0) memcpy(s, v.data, n);
	s[n] = 0;
	return s;
}

static char *text(const char *s) {
	char *c = malloc(strlen(s) + 1);
	return strcpy(c, s);
}

static void put_view(char *dst, size_t cap, WGPUStringView v) {
	char *s = copy_view(v);
	snprintf(dst, cap, "%s", s);
	free(s);
}

static WGPUStringView view(const char *s) {
	WGPUStringView v = {s, s == NULL ? 0 : strlen(s)};
	return v;
}

static void on_error(const WGPUDevice *dev, WGPUEnum type, WGPUStringView msg, void *u1, void *u2) {
	if (err_text != NULL) return; // the first error is the cause
	err_text = copy_view(msg);
	err_type = type;
}

static void on_lost(const WGPUDevice *dev, WGPUEnum reason, WGPUStringView msg, void *u1, void *u2) {
	if (reason == WGPU_LOST_DESTROYED || reason == WGPU_LOST_CANCELLED) return;
	wg_device *d = u1;
	char *none = NULL, *s = copy_view(msg);
	if (!atomic_compare_exchange_strong(&d->lost, &none, s)) free(s);
}

static void on_log(WGPUEnum level, WGPUStringView msg, void *u) {
	char *s = copy_view(msg);
	fprintf(stderr, "wgpu: %s\n", s);
	free(s);
}

static void clear_error(void) {
	free(err_text);
	err_text = NULL;
	err_type = 0;
}

static char *take_error(void) {
	char *e = err_text;
	err_text = NULL;
	return e;
}

static wg_made made(void *p) {
	wg_made m = {HANDLE(p), take_error(), 0};
	m.oom = m.err != NULL && err_type == WGPU_ERROR_OUT_OF_MEMORY;
	if (p == NULL && m.err == NULL) m.err = text("the driver returned nothing");
	return m;
}

char *wg_start(int log_level) {
	if (wgpuGetVersion() >> 24 != 29) {
		char s[96];
		snprintf(s, sizeof s, "linked with wgpu-native %u; this program is made for version 29", wgpuGetVersion() >> 24);
		return text(s);
	}
	wgpuSetLogCallback(on_log, NULL);
	wgpuSetLogLevel((WGPUEnum)log_level);
#if defined(__linux__)
	// Mesa's layer for choosing among devices asks the window system, and complains
	// on standard error where there is none. The choice is made here anyway.
	setenv("NODEVICE_SELECT", "1", 0);
#endif
	// Named backends: left to itself, wgpu would take OpenGL where nothing else is
	// there. No flags: no validation layers.
	WGPUInstanceExtras extras = {.chain = {NULL, WGPU_STYPE_INSTANCE_EXTRAS}};
	extras.backends = WGPU_INSTANCE_VULKAN | WGPU_INSTANCE_METAL | WGPU_INSTANCE_DX12;
	WGPUInstanceDescriptor desc = {.next = &extras.chain};
	instance = wgpuCreateInstance(&desc);
	if (instance == NULL) return text("wgpu-native could not start");
	WGPUEnumerateOptions opts = {NULL, extras.backends};
	adapter_count = wgpuInstanceEnumerateAdapters(instance, &opts, NULL);
	if (adapter_count > 0) {
		adapters = calloc(adapter_count, sizeof *adapters);
		adapter_count = wgpuInstanceEnumerateAdapters(instance, &opts, adapters);
	}
	return NULL;
}

int wg_adapters(wg_info *out, int max) {
	int n = (int)adapter_count < max ? (int)adapter_count : max;
	for (int i = 0; i < n; i++) {
		WGPUAdapterInfo info;
		memset(&info, 0, sizeof info);
		memset(&out[i], 0, sizeof out[i]);
		if (wgpuAdapterGetInfo(adapters[i], &info) != WGPU_SUCCESS) continue;
		put_view(out[i].name, sizeof out[i].name, info.device);
		put_view(out[i].vendor, sizeof out[i].vendor, info.vendor);
		put_view(out[i].driver, sizeof out[i].driver, info.description);
		out[i].backend = info.backendType;
		out[i].type = info.adapterType;
		wgpuAdapterInfoFreeMembers(info);
	}
	return n;
}

struct request { WGPUEnum status; WGPUDevice dev; char *msg; };

static void on_device(WGPUEnum status, WGPUDevice dev, WGPUStringView msg, void *u1, void *u2) {
	struct request *r = u1;
	r->status = status;
	r->dev = dev;
	if (status != WGPU_SUCCESS) r->msg = copy_view(msg);
}

char *wg_open(int index, wg_device **out, wg_limits *lim) {
	if (index < 0 || (size_t)index >= adapter_count) return text("no such adapter");
	WGPUAdapter a = adapters[index];
	WGPULimits l;
	memset(&l, 0, sizeof l);
	if (wgpuAdapterGetLimits(a, &l) != WGPU_SUCCESS) return text("the adapter does not tell its limits");
	l.next = NULL;
	l.immediateSize = 0; // belongs to a feature that is not asked for
	memset(lim, 0, sizeof *lim);
	WGPUEnum feat[3];
	size_t n = 0;
	if (wgpuAdapterHasFeature(a, WGPU_FEATURE_F16)) feat[n++] = WGPU_FEATURE_F16, lim->f16 = 1;
	if (wgpuAdapterHasFeature(a, WGPU_FEATURE_SUBGROUPS)) feat[n++] = WGPU_FEATURE_SUBGROUPS, lim->subgroups = 1;
	if (wgpuAdapterHasFeature(a, WGPU_FEATURE_TIMESTAMPS)) feat[n++] = WGPU_FEATURE_TIMESTAMPS, lim->timestamps = 1;

	wg_device *d = calloc(1, sizeof *d);
	struct request r = {0};
	WGPUDeviceDescriptor desc = {.featureCount = n, .features = feat, .limits = &l};
	desc.lost = (WGPUDeviceLostCallback){.mode = WGPU_CALLBACK_SPONTANEOUS, .fn = on_lost, .u1 = d};
	desc.error = (WGPUErrorCallback){.fn = on_error};
	clear_error();
	wgpuAdapterRequestDevice(a, &desc, (WGPURequestDeviceCallback){.mode = WGPU_CALLBACK_SPONTANEOUS, .fn = on_device, .u1 = &r});
	if (r.dev == NULL) {
		free(d);
		return r.msg != NULL ? r.msg : text("the driver refused to open a device");
	}
	d->dev = r.dev;
	d->queue = wgpuDeviceGetQueue(d->dev);
	d->period = wgpuQueueGetTimestampPeriod(d->queue);
	lim->buffer = l.bufferSize;
	lim->storage = l.storageBinding;
	lim->uniform = l.uniformBinding;
	lim->storageBuffers = l.storageBuffers;
	lim->bindings = l.bindingsPerBindGroup;
	lim->workgroupStorage = l.workgroupStorage;
	lim->invocations = l.invocations;
	lim->sizeX = l.sizeX;
	lim->sizeY = l.sizeY;
	lim->sizeZ = l.sizeZ;
	lim->workgroups = l.workgroups;
	lim->storageAlign = l.storageAlign;
	lim->uniformAlign = l.uniformAlign;
	WGPUAdapterInfo info;
	memset(&info, 0, sizeof info);
	if (wgpuAdapterGetInfo(a, &info) == WGPU_SUCCESS) {
		lim->subgroupMin = info.subgroupMin;
		lim->subgroupMax = info.subgroupMax;
		wgpuAdapterInfoFreeMembers(info);
	}
	*out = d;
	return NULL;
}

void wg_close(wg_device *d) {
	if (atomic_load(&d->lost) == NULL) wgpuDevicePoll(d->dev, 1, NULL); // callbacks hold d
	wgpuQueueRelease(d->queue);
	wgpuDeviceDestroy(d->dev);
	wgpuDeviceRelease(d->dev);
	free(atomic_load(&d->lost));
	free(d);
}

char *wg_lost(wg_device *d) { return atomic_load(&d->lost); }

wg_made wg_buffer(wg_device *d, const char *label, uint64_t size, uint32_t usage) {
	WGPUBufferDescriptor desc = {.label = view(label), .usage = usage, .size = size};
	clear_error();
	WGPUBuffer b = wgpuDeviceCreateBuffer(d->dev, &desc);
	wg_made m = made(b);
	if (m.err != NULL && b != NULL) {
		wgpuBufferRelease(b);
		m.handle = 0;
	}
	return m;
}

void wg_free_buffer(uint64_t b) {
	wgpuBufferDestroy(PTR(WGPUBuffer, b));
	wgpuBufferRelease(PTR(WGPUBuffer, b));
}

char *wg_write(wg_device *d, uint64_t b, uint64_t off, const void *data, size_t n) {
	clear_error();
	wgpuQueueWriteBuffer(d->queue, PTR(WGPUBuffer, b), off, data, n);
	return take_error();
}

wg_made wg_group_layout(wg_device *d, const uint8_t *kinds, int n, int dynamic) {
	static const WGPUEnum type[] = {0, WGPU_BIND_READ_STORAGE, WGPU_BIND_STORAGE, WGPU_BIND_UNIFORM};
	WGPUBindGroupLayoutEntry *e = calloc(n > 0 ? n : 1, sizeof *e);
	for (int i = 0; i < n; i++) {
		e[i].binding = i;
		e[i].visibility = WGPU_STAGE_COMPUTE;
		e[i].buffer.type = type[kinds[i]];
		e[i].buffer.dynamic = dynamic;
	}
	WGPUBindGroupLayoutDescriptor desc = {.count = n, .entries = e};
	clear_error();
	WGPUBindGroupLayout l = wgpuDeviceCreateBindGroupLayout(d->dev, &desc);
	free(e);
	return made(l);
}

wg_made wg_pipeline_layout(wg_device *d, const uint64_t *groups, int n) {
	WGPUBindGroupLayout l[2];
	for (int i = 0; i < n; i++) l[i] = PTR(WGPUBindGroupLayout, groups[i]);
	WGPUPipelineLayoutDescriptor desc = {.count = n, .layouts = l};
	clear_error();
	return made(wgpuDeviceCreatePipelineLayout(d->dev, &desc));
}

wg_made wg_pipeline(wg_device *d, const char *label, const char *wgsl, const char *entry, uint64_t layout, int trusted) {
	WGPUShaderSourceWGSL src = {{NULL, WGPU_STYPE_WGSL}, view(wgsl)};
	WGPULabelled desc = {&src.chain, view(label)};
	clear_error();
	WGPUShaderModule m = trusted ? wgpuDeviceCreateShaderModuleTrusted(d->dev, &desc, 0)
	                             : wgpuDeviceCreateShaderModule(d->dev, &desc);
	if (err_text != NULL || m == NULL) {
		if (m != NULL) wgpuShaderModuleRelease(m);
		return made(NULL);
	}
	WGPUComputePipelineDescriptor pd = {.label = view(label), .layout = PTR(WGPUPipelineLayout, layout)};
	pd.compute.module = m;
	pd.compute.entry = view(entry);
	WGPUComputePipeline p = wgpuDeviceCreateComputePipeline(d->dev, &pd);
	wgpuShaderModuleRelease(m);
	wg_made r = made(p);
	if (r.err != NULL && p != NULL) {
		wgpuComputePipelineRelease(p);
		r.handle = 0;
	}
	return r;
}

wg_made wg_bind_group(wg_device *d, uint64_t layout, const uint64_t *buffers, const uint64_t *offsets, const uint64_t *sizes, int n) {
	WGPUBindGroupEntry *e = calloc(n > 0 ? n : 1, sizeof *e);
	for (int i = 0; i < n; i++) {
		e[i].binding = i;
		e[i].buffer = PTR(WGPUBuffer, buffers[i]);
		e[i].offset = offsets[i];
		e[i].size = sizes[i];
	}
	WGPUBindGroupDescriptor desc = {.layout = PTR(WGPUBindGroupLayout, layout), .count = n, .entries = e};
	clear_error();
	WGPUBindGroup g = wgpuDeviceCreateBindGroup(d->dev, &desc);
	free(e);
	wg_made m = made(g);
	if (m.err != NULL && g != NULL) {
		wgpuBindGroupRelease(g);
		m.handle = 0;
	}
	return m;
}

void wg_free_group_layout(uint64_t l) { wgpuBindGroupLayoutRelease(PTR(WGPUBindGroupLayout, l)); }
void wg_free_pipeline_layout(uint64_t l) { wgpuPipelineLayoutRelease(PTR(WGPUPipelineLayout, l)); }
void wg_free_pipeline(uint64_t p) { wgpuComputePipelineRelease(PTR(WGPUComputePipeline, p)); }
void wg_free_bind_group(uint64_t g) { wgpuBindGroupRelease(PTR(WGPUBindGroup, g)); }

static void on_done(WGPUEnum status, WGPUStringView msg, void *u1, void *u2) {
	wg_device *d = u1;
	uint64_t serial = HANDLE(u2), seen = atomic_load(&d->finished);
	while (seen < serial && !atomic_compare_exchange_weak(&d->finished, &seen, serial)) {}
}

// finish_and_submit takes over the encoder.
static wg_submitted finish_and_submit(wg_device *d, WGPUCommandEncoder enc) {
	wg_submitted r = {0, NULL};
	WGPUCommandBuffer cmd = wgpuCommandEncoderFinish(enc, NULL);
	wgpuCommandEncoderRelease(enc);
	r.err = take_error();
	if (r.err == NULL && atomic_load(&d->lost) != NULL) r.err = text(atomic_load(&d->lost));
	if (r.err != NULL) {
		if (cmd != NULL) wgpuCommandBufferRelease(cmd);
		return r;
	}
	uint64_t index = wgpuQueueSubmitForIndex(d->queue, 1, &cmd);
	wgpuCommandBufferRelease(cmd);
	r.serial = atomic_fetch_add(&d->submitted, 1) + 1;
	atomic_store(&d->ring[r.serial % RING].index, index);
	atomic_store(&d->ring[r.serial % RING].serial, r.serial);
	wgpuQueueOnSubmittedWorkDone(d->queue, (WGPUStatusCallback){.mode = WGPU_CALLBACK_SPONTANEOUS, .fn = on_done, .u1 = d, .u2 = (void *)(uintptr_t)r.serial});
	r.err = take_error();
	return r;
}

static void copy_op(WGPUCommandEncoder enc, const wg_op *o) {
	wgpuCommandEncoderCopyBufferToBuffer(enc, PTR(WGPUBuffer, o->a), o->off[0], PTR(WGPUBuffer, o->b), o->off[1], o->n);
}

wg_submitted wg_submit(wg_device *d, const wg_op *ops, size_t n) {
	clear_error();
	WGPUCommandEncoder enc = wgpuDeviceCreateCommandEncoder(d->dev, NULL);
	WGPUComputePassEncoder pass = NULL;
	uint64_t pipe = 0, g0 = 0, g1 = 0;
	uint32_t dyn = 0;
	for (size_t i = 0; i < n; i++) {
		const wg_op *o = &ops[i];
		if (o->kind != 0) {
			if (pass != NULL) {
				wgpuComputePassEncoderEnd(pass);
				wgpuComputePassEncoderRelease(pass);
				pass = NULL;
			}
			copy_op(enc, o);
			continue;
		}
		if (pass == NULL) {
			pass = wgpuCommandEncoderBeginComputePass(enc, NULL);
			pipe = g0 = g1 = 0;
		}
		if (o->a != pipe) wgpuComputePassEncoderSetPipeline(pass, PTR(WGPUComputePipeline, pipe = o->a));
		if (o->b != 0 && o->b != g0) wgpuComputePassEncoderSetBindGroup(pass, 0, PTR(WGPUBindGroup, g0 = o->b), 0, NULL);
		if (o->c != 0 && (o->c != g1 || o->dyn != dyn)) {
			dyn = o->dyn;
			wgpuComputePassEncoderSetBindGroup(pass, 1, PTR(WGPUBindGroup, g1 = o->c), 1, &dyn);
		}
		wgpuComputePassEncoderDispatchWorkgroups(pass, o->x, o->y, o->z);
	}
	if (pass != NULL) {
		wgpuComputePassEncoderEnd(pass);
		wgpuComputePassEncoderRelease(pass);
	}
	return finish_and_submit(d, enc);
}

uint64_t wg_finished(wg_device *d) {
	if (atomic_load(&d->finished) < atomic_load(&d->submitted) && atomic_load(&d->lost) == NULL) wgpuDevicePoll(d->dev, 0, NULL);
	return atomic_load(&d->finished);
}

char *wg_wait(wg_device *d, uint64_t serial) {
	while (atomic_load(&d->finished) < serial) {
		char *lost = atomic_load(&d->lost);
		if (lost != NULL) return text(lost);
		uint64_t index = atomic_load(&d->ring[serial % RING].index);
		if (atomic_load(&d->ring[serial % RING].serial) == serial) {
			wgpuDevicePoll(d->dev, 1, &index);
		} else {
			wgpuDevicePoll(d->dev, 1, NULL);
		}
		// Another thread's poll may have taken our callback and not run it yet.
		if (atomic_load(&d->finished) < serial) PAUSE();
	}
	return NULL;
}

struct wg_mapping { WGPUBuffer buffer; size_t n; _Atomic uint32_t status; char *msg; };

// The status of a mapping that nobody waits for: whoever comes second, the
// callback or wg_map_drop, frees it.
#define DROPPED UINT32_MAX

static void free_mapping(wg_mapping *m) {
	free(m->msg);
	free(m);
}

static void on_map(WGPUEnum status, WGPUStringView msg, void *u1, void *u2) {
	wg_mapping *m = u1;
	if (status != WGPU_SUCCESS) m->msg = copy_view(msg);
	if (atomic_exchange(&m->status, status) == DROPPED) free_mapping(m);
}

void wg_map_drop(wg_mapping *m) {
	if (atomic_exchange(&m->status, DROPPED) != 0) free_mapping(m);
}

wg_mapping *wg_map_start(wg_device *d, uint64_t buffer, size_t n) {
	wg_mapping *m = calloc(1, sizeof *m);
	m->buffer = PTR(WGPUBuffer, buffer);
	m->n = n;
	clear_error();
	wgpuBufferMapAsync(m->buffer, WGPU_MAP_READ, 0, n, (WGPUStatusCallback){.mode = WGPU_CALLBACK_SPONTANEOUS, .fn = on_map, .u1 = m});
	return m;
}

int wg_map_ready(wg_device *d, wg_mapping *m) {
	if (atomic_load(&m->status) == 0 && atomic_load(&d->lost) == NULL) wgpuDevicePoll(d->dev, 0, NULL);
	return atomic_load(&m->status) != 0 || atomic_load(&d->lost) != NULL;
}

char *wg_map_take(wg_device *d, wg_mapping *m, void *dst, size_t n) {
	char *err = NULL;
	while (atomic_load(&m->status) == 0) {
		char *lost = atomic_load(&d->lost);
		if (lost != NULL) {
			wg_map_drop(m);
			return text(lost);
		}
		wgpuDevicePoll(d->dev, 1, NULL);
		if (atomic_load(&m->status) == 0) PAUSE();
	}
	if (atomic_load(&m->status) == WGPU_SUCCESS) {
		if (n > 0) {
			const void *p = wgpuBufferGetConstMappedRange(m->buffer, 0, m->n);
			if (p == NULL) err = text("the mapped range is empty");
			else memcpy(dst, p, n);
		}
		wgpuBufferUnmap(m->buffer);
	} else {
		err = m->msg != NULL ? m->msg : text("mapping failed");
	}
	free(m);
	return err;
}

char *wg_read(wg_device *d, uint64_t buffer, uint64_t staging, uint64_t off, void *dst, size_t n) {
	wg_op o = {.kind = 1, .a = buffer, .b = staging, .off = {off, 0}, .n = n};
	wg_submitted s = wg_submit(d, &o, 1);
	if (s.err != NULL) return s.err;
	return wg_map_take(d, wg_map_start(d, staging, n), dst, n);
}

char *wg_profile(wg_device *d, const wg_op *ops, size_t n, double *ns) {
	// A query set holds 4096 queries, two for each dispatch.
	enum { PART = 2048 };
	char *err = NULL;
	WGPUQuerySetDescriptor qd = {.type = WGPU_QUERY_TIMESTAMP, .count = 2 * PART};
	clear_error();
	WGPUQuerySet set = wgpuDeviceCreateQuerySet(d->dev, &qd);
	if ((err = take_error()) != NULL) return err;
	wg_made resolve = wg_buffer(d, "timestamps", 16 * PART, WGPU_USE_QUERY_RESOLVE | WGPU_USE_COPY_SRC);
	wg_made staging = wg_buffer(d, "timestamps read-back", 16 * PART, WGPU_USE_MAP_READ | WGPU_USE_COPY_DST);
	uint64_t *ticks = malloc(16 * PART);
	err = resolve.err != NULL ? resolve.err : staging.err;
	for (size_t at = 0; at < n && err == NULL; at += PART) {
		size_t part = n - at < PART ? n - at : PART, used = 0;
		clear_error();
		WGPUCommandEncoder enc = wgpuDeviceCreateCommandEncoder(d->dev, NULL);
		for (size_t i = at; i < at + part; i++) {
			const wg_op *o = &ops[i];
			if (o->kind != 0) {
				copy_op(enc, o);
				continue;
			}
			WGPUPassTimestamps ts = {.set = set, .begin = (uint32_t)(2 * used), .end = (uint32_t)(2 * used + 1)};
			WGPUComputePassDescriptor pd = {.timestamps = &ts};
			WGPUComputePassEncoder pass = wgpuCommandEncoderBeginComputePass(enc, &pd);
			wgpuComputePassEncoderSetPipeline(pass, PTR(WGPUComputePipeline, o->a));
			if (o->b != 0) wgpuComputePassEncoderSetBindGroup(pass, 0, PTR(WGPUBindGroup, o->b), 0, NULL);
			if (o->c != 0) wgpuComputePassEncoderSetBindGroup(pass, 1, PTR(WGPUBindGroup, o->c), 1, &o->dyn);
			wgpuComputePassEncoderDispatchWorkgroups(pass, o->x, o->y, o->z);
			wgpuComputePassEncoderEnd(pass);
			wgpuComputePassEncoderRelease(pass);
			used++;
		}
		if (used > 0) {
			wgpuCommandEncoderResolveQuerySet(enc, set, 0, (uint32_t)(2 * used), PTR(WGPUBuffer, resolve.handle), 0);
			wgpuCommandEncoderCopyBufferToBuffer(enc, PTR(WGPUBuffer, resolve.handle), 0, PTR(WGPUBuffer, staging.handle), 0, 16 * used);
		}
		err = finish_and_submit(d, enc).err;
		if (err == NULL && used > 0) err = wg_map_take(d, wg_map_start(d, staging.handle, 16 * used), ticks, 16 * used);
		used = 0;
		for (size_t i = at; i < at + part && err == NULL; i++) {
			if (ops[i].kind != 0) continue;
			ns[i] = (double)(ticks[2 * used + 1] - ticks[2 * used]) * d->period;
			used++;
		}
	}
	free(ticks);
	if (resolve.handle != 0) wg_free_buffer(resolve.handle);
	if (staging.handle != 0) wg_free_buffer(staging.handle);
	wgpuQuerySetRelease(set);
	return err;
}
