// From the channel, which has a thread of its own, to libprocess's futures.
#ifndef ESTIMATORD_GLUE_CALL_HPP
#define ESTIMATORD_GLUE_CALL_HPP

#include <memory>
#include <string>

#include <process/future.hpp>

#include <stout/duration.hpp>
#include <stout/option.hpp>

#include "policy/clock.hpp"
#include "transport/channel.hpp"
#include "transport/outcome.hpp"

namespace estimatord {

// The channel to a socket: one for all modules of this process that name it,
// closed when the last of them lets go. Null with the reason in `error` when
// this process can make no such calls.
std::shared_ptr<Channel> shareChannel(
    const std::string& socket, std::string* error);

// Calls the daemon. The future is always set, within `deadline` and a moment;
// discarding it ends the call.
process::Future<Outcome> call(
    const std::shared_ptr<Channel>& channel,
    Method method,
    const std::string& usage,
    milliseconds deadline);

inline Duration toDuration(milliseconds time) {
  return Milliseconds(time.count());
}

// The value of `future` if it comes within `limit`; none when it is late (it is
// then discarded), fails or is discarded. The result never fails.
template <typename T>
process::Future<Option<T>> within(
    const process::Future<T>& future, milliseconds limit) {
  // Future::recover would be shorter; Mesos 1.4 does not have it.
  const auto promise = std::make_shared<process::Promise<Option<T>>>();
  future
      .after(
          toDuration(limit),
          [](const process::Future<T>& late) -> process::Future<T> {
            process::Future<T> copy = late;
            copy.discard();
            return process::Failure("late");
          })
      .onAny([promise](const process::Future<T>& ended) {
        if (ended.isReady()) {
          promise->set(Option<T>(ended.get()));
        } else {
          promise->set(Option<T>::none());
        }
      });
  return promise->future();
}

}  // namespace estimatord

#endif  // ESTIMATORD_GLUE_CALL_HPP
