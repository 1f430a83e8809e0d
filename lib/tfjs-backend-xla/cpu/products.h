// Products of f32 matrices on a processor's tile unit (Intel AMX).
#pragma once
#include <cstdint>

namespace products {

// C = A B for each of a batch, all in row-major order without gaps: A [G, M, K], B [G, K, N], C [G, M, N]; no size is 0.
struct Product {
  int64_t batch, m, n, k;
  const float* a;
  const float* b;
  float* c;
  // Whether A is stored as [G, K, M], and B as [G, N, K].
  bool a_turned, b_turned;
  // Whether the operands are rounded to bfloat16 first, instead of being taken apart.
  bool bf16;
};

// Threads that tasks run on.
struct Parallel {
  // How many tasks can run at a time.
  virtual int64_t threads() const = 0;
  // Calls `task(data, i)` once for each i below `count`, in any order, and returns when all calls have ended.
  virtual void run(int64_t count, void (*task)(void* data, int64_t i), void* data) = 0;

 protected:
  ~Parallel() = default;
};

// Whether this processor has what `multiply` needs, and the system lets the process use it.
bool supported();

// The same bits whatever the threads. Returns false, with C undefined, if there is no memory for the packed operands.
bool multiply(const Product& product, Parallel& parallel);

}  // namespace products
