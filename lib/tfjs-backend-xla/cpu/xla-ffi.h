// What a handler of XLA's typed foreign functions needs of their C ABI: the fields that are read here, in their places.
// Source: xla/ffi/api/c_api.h of OpenXLA, versions 0.3 and 0.4, which agree in these.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ffi {

constexpr int kMajor = 0, kMinor = 3;

// Opens every struct, `extension` being the first of a list.
struct Extension {
  size_t struct_size;
  int type;
  Extension* next;
};
struct Header {
  size_t struct_size;
  Extension* extension;
};
constexpr int kMetadataExtension = 1;

struct Version {
  Header header;
  int major, minor;
};

struct Metadata {
  size_t struct_size;
  Version version;
  uint32_t traits;
};
struct MetadataExtension {
  Extension base;
  Metadata* metadata;
};

struct Error;
enum ErrorCode { kInvalidArgument = 3, kResourceExhausted = 8, kFailedPrecondition = 9 };
struct ErrorCreate {
  Header header;
  const char* message;
  int code;
};
struct ErrorDestroy {
  Header header;
  Error* error;
};

struct Context;
struct Schedule {
  Header header;
  Context* context;
  void (*task)(void* data);
  void* data;
};
struct NumThreads {
  Header header;
  Context* context;
  int64_t* count;
};

struct Api {
  Header header;
  Version version;
  const void* internal;
  Error* (*error_create)(ErrorCreate*);
  void* error_message;
  void (*error_destroy)(ErrorDestroy*);
  void* others[8];  // of registration, of types, of states, of streams and of devices' memory
  Error* (*schedule)(Schedule*);
  Error* (*num_threads)(NumThreads*);
};

enum DataType { kPred = 1, kF32 = 11 };
struct Buffer {
  Header header;
  int type;
  void* data;
  int64_t rank;
  const int64_t* dims;
};
struct Scalar {
  int type;
  const void* value;
};
struct Text {
  const char* start;
  size_t length;
};

constexpr int kBufferKind = 1, kScalarKind = 3;
// Arguments or results: of each its kind, and where it is.
struct Values {
  Header header;
  int64_t count;
  const int* kinds;
  void* const* values;
};
// Sorted by name.
struct Attributes {
  Header header;
  int64_t count;
  const int* kinds;
  const Text* const* names;
  void* const* values;
};

constexpr int kExecuteStage = 3;
struct CallFrame {
  Header header;
  const Api* api;
  Context* context;
  int stage;
  Values arguments, results;
  Attributes attributes;
};

}  // namespace ffi
