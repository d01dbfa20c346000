//! A driver library of CUDA without a card behind it: one device that opens, memory that is the machine's, and nothing else. What loads drivers is
//! tested with it; what computes is not there.
//!
//! Built by the tests as `libcuda.so.1`. Names and parameters are those of NVIDIA's driver interface; every call that is not needed to open a
//! device answers that all is well.
#![allow(non_snake_case, clippy::missing_safety_doc)]

use std::ffi::{c_char, c_int, c_uint, c_void};

const OK: c_int = 0;
/// CUDA_ERROR_INVALID_DEVICE
const NO_SUCH_DEVICE: c_int = 101;

/// What contexts and streams point to: nobody reads it.
static SOMETHING: u64 = 0;

fn something() -> *mut c_void {
    (&raw const SOMETHING).cast_mut().cast()
}

#[unsafe(no_mangle)]
pub extern "C" fn cuInit(_flags: c_uint) -> c_int {
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetCount(count: *mut c_int) -> c_int {
    unsafe { *count = 1 };
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGet(device: *mut c_int, ordinal: c_int) -> c_int {
    unsafe { *device = ordinal };
    if ordinal == 0 { OK } else { NO_SUCH_DEVICE }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetName(name: *mut c_char, length: c_int, _device: c_int) -> c_int {
    for (k, byte) in b"Stand-in\0".iter().take(length.max(0) as usize).enumerate() {
        unsafe { *name.add(k) = *byte as c_char };
    }
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetAttribute(value: *mut c_int, _attribute: c_int, _device: c_int) -> c_int {
    unsafe { *value = 0 };
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceComputeCapability(major: *mut c_int, minor: *mut c_int, _device: c_int) -> c_int {
    unsafe { (*major, *minor) = (9, 0) };
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxCreate_v2(context: *mut *mut c_void, _flags: c_uint, _device: c_int) -> c_int {
    unsafe { *context = something() };
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRetain(context: *mut *mut c_void, _device: c_int) -> c_int {
    unsafe { *context = something() };
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxPopCurrent_v2(context: *mut *mut c_void) -> c_int {
    if !context.is_null() {
        unsafe { *context = something() };
    }
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorName(_error: c_int, words: *mut *const c_char) -> c_int {
    unsafe { *words = c"CUDA_ERROR_STAND_IN".as_ptr() };
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorString(_error: c_int, words: *mut *const c_char) -> c_int {
    unsafe { *words = c"a stand-in computes nothing".as_ptr() };
    OK
}

/// Calls that the loader looks for and opening a device does not need.
macro_rules! well {
    ($($name:ident)*) => { $(
        #[unsafe(no_mangle)]
        pub extern "C" fn $name() -> c_int {
            OK
        }
    )* };
}

well! {
    cuArray3DCreate_v2 cuArrayCreate_v2 cuArrayDestroy cuCtxDestroy_v2 cuCtxGetDevice cuCtxPushCurrent_v2 cuCtxSetLimit cuCtxSetCurrent cuCtxGetCurrent
    cuDestroyExternalMemory cuDestroyExternalSemaphore cuDevicePrimaryCtxGetState cuDevicePrimaryCtxRelease
    cuDevicePrimaryCtxReset cuDevicePrimaryCtxSetFlags cuDeviceGetUuid cuDeviceGetUuid_v2 cuDeviceGetLuid cuDeviceGetByPCIBusId cuDeviceGetPCIBusId cuDriverGetVersion
    cuEGLStreamConsumerDisconnect cuEGLStreamProducerConnect cuEGLStreamProducerDisconnect cuEGLStreamProducerPresentFrame
    cuEGLStreamProducerReturnFrame cuEventCreate cuEventDestroy_v2 cuEventQuery cuEventRecord cuEventSynchronize
    cuExternalMemoryGetMappedBuffer cuExternalMemoryGetMappedMipmappedArray cuGLGetDevices_v2 cuGraphicsGLRegisterImage
    cuGraphicsD3D11RegisterResource cuD3D11GetDevice cuD3D11GetDevices
    cuGraphicsMapResources cuGraphicsResourceGetMappedPointer_v2 cuGraphicsSubResourceGetMappedArray cuGraphicsUnmapResources
    cuGraphicsUnregisterResource cuImportExternalMemory cuImportExternalSemaphore cuLaunchKernel cuLinkAddData cuLinkAddData_v2 cuLinkComplete
    cuLinkCreate cuLinkCreate_v2 cuLinkDestroy cuMemAllocManaged cuMemAllocPitch_v2 cuMemAlloc_v2 cuMemFree_v2 cuMemcpy cuMemcpy2DAsync_v2
    cuMemcpy2D_v2 cuMemcpyAsync cuMemcpyDtoDAsync_v2 cuMemcpyDtoD_v2 cuMemcpyDtoHAsync_v2 cuMemcpyDtoH_v2
    cuMemcpyHtoDAsync_v2 cuMemcpyHtoD_v2 cuMemsetD8Async cuMipmappedArrayDestroy cuMipmappedArrayGetLevel cuModuleGetFunction cuModuleGetGlobal cuModuleGetGlobal_v2
    cuModuleLoadData cuModuleUnload cuSignalExternalSemaphoresAsync cuStreamAddCallback cuStreamCreate cuStreamDestroy_v2
    cuStreamQuery cuStreamSynchronize cuStreamWaitEvent cuTexObjectCreate cuTexObjectDestroy cuWaitExternalSemaphoresAsync
}
