// Memory that calls use again: the system would clear fresh pages each time, which takes as long as a small product. It is none of malloc's,
// whose heap it would cut into parts that are too small for XLA's buffers.
#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <mutex>
#include <vector>

namespace products {

// A piece of memory aligned to a page, handed back when this is gone. `data` is null if there was none.
class Scratch {
 public:
  explicit Scratch(size_t bytes) : piece_(take(bytes)) {}
  ~Scratch() {
    if (piece_.data == nullptr) return;
    std::lock_guard<std::mutex> lock(mutex());
    kept().push_back(piece_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  char* data() const { return piece_.data; }

 private:
  // A huge page.
  static constexpr size_t kSmallest = size_t{1} << 21;

  struct Piece {
    char* data;
    size_t bytes;
  };

  static std::mutex& mutex() {
    static std::mutex the_mutex;
    return the_mutex;
  }

  // Never destroyed: threads may still compute when the process ends.
  static std::vector<Piece>& kept() {
    static auto* the_pieces = new std::vector<Piece>();
    return *the_pieces;
  }

  // The smallest kept piece that is large enough, or a new one whose size is a power of two.
  static Piece take(size_t bytes) {
    {
      std::lock_guard<std::mutex> lock(mutex());
      auto& pieces = kept();
      auto best = pieces.end();
      for (auto each = pieces.begin(); each != pieces.end(); ++each)
        if (each->bytes >= bytes && (best == pieces.end() || each->bytes < best->bytes)) best = each;
      if (best != pieces.end()) {
        const Piece piece = *best;
        pieces.erase(best);
        return piece;
      }
    }
    size_t size = kSmallest;
    while (size < bytes) size *= 2;
    void* pages = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return {nullptr, 0};
    madvise(pages, size, MADV_HUGEPAGE);
    return {static_cast<char*>(pages), size};
  }

  Piece piece_;
};

}  // namespace products
