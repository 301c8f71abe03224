// What native.go calls. Every function that can fail returns its error as a
// malloc'ed text (NULL is success), because a goroutine may be on another thread
// at its next call and could not fetch it from there.

#ifndef WEFT_GPU_NATIVE_H
#define WEFT_GPU_NATIVE_H

#include <stddef.h>
#include <stdint.h>

typedef struct wg_device wg_device;

typedef struct {
	char name[256], vendor[128], driver[256];
	uint32_t backend, type;
} wg_info;

typedef struct {
	uint64_t buffer, storage, uniform;
	uint32_t storageBuffers, bindings, workgroupStorage, invocations, sizeX, sizeY, sizeZ;
	uint32_t workgroups, storageAlign, uniformAlign, subgroupMin, subgroupMax;
	uint32_t f16, subgroups, timestamps;
} wg_limits;

// The layout of op in driver.go.
typedef struct {
	uint32_t kind, dyn, x, y, z, pad;
	uint64_t a, b, c, off[2], n;
} wg_op;

typedef struct { uint64_t handle; char *err; uint32_t oom; } wg_made;
typedef struct { uint64_t serial; char *err; } wg_submitted;

char *wg_start(int log_level);                    // once per process
int wg_adapters(wg_info *out, int max);           // number found
char *wg_open(int index, wg_device **out, wg_limits *lim);
void wg_close(wg_device *);
char *wg_lost(wg_device *);                       // NULL while the device is there

wg_made wg_buffer(wg_device *, const char *label, uint64_t size, uint32_t usage);
void wg_free_buffer(uint64_t buffer);
char *wg_write(wg_device *, uint64_t buffer, uint64_t off, const void *data, size_t n);
char *wg_read(wg_device *, uint64_t buffer, uint64_t staging, uint64_t off, void *dst, size_t n);

wg_made wg_group_layout(wg_device *, const uint8_t *kinds, int n, int dynamic);
wg_made wg_pipeline_layout(wg_device *, const uint64_t *groups, int n);
wg_made wg_pipeline(wg_device *, const char *label, const char *wgsl, const char *entry, uint64_t layout, int trusted);
wg_made wg_bind_group(wg_device *, uint64_t layout, const uint64_t *buffers, const uint64_t *offsets, const uint64_t *sizes, int n);
void wg_free_group_layout(uint64_t);
void wg_free_pipeline_layout(uint64_t);
void wg_free_pipeline(uint64_t);
void wg_free_bind_group(uint64_t);

wg_submitted wg_submit(wg_device *, const wg_op *ops, size_t n);
uint64_t wg_finished(wg_device *);
char *wg_wait(wg_device *, uint64_t serial);
char *wg_profile(wg_device *, const wg_op *ops, size_t n, double *ns);

// A mapping in progress; wg_map_take frees it, or wg_map_drop where nobody wants
// it any more.
typedef struct wg_mapping wg_mapping;
wg_mapping *wg_map_start(wg_device *, uint64_t buffer, size_t n);
int wg_map_ready(wg_device *, wg_mapping *);
char *wg_map_take(wg_device *, wg_mapping *, void *dst, size_t n);
void wg_map_drop(wg_mapping *);

#endif
