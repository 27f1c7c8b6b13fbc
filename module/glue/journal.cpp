#include "glue/journal.hpp"

#include <cstdint>

#include <glog/logging.h>

namespace estimatord {

void Journal::answered() {
  if (!answering_) {
    LOG(INFO) << subject_ << ": the daemon answers";
  }
  answering_ = true;
  failures_.reset();
}

void Journal::failed(const std::string& error, const std::string& consequence) {
  answering_ = false;
  std::uint64_t suppressed = 0;
  if (failures_.admit(Clock::now(), &suppressed)) {
    LOG(WARNING) << subject_ << ": " << error << "; " << consequence
                 << suppressedNote(suppressed);
  }
}

void Journal::dropped(const std::string& what) {
  std::uint64_t suppressed = 0;
  if (drops_.admit(Clock::now(), &suppressed)) {
    LOG(WARNING) << subject_ << ": dropped " << what
                 << suppressedNote(suppressed);
  }
}

}  // namespace estimatord
