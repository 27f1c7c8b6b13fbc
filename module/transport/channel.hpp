// Unary gRPC calls over HTTP/2 on a Unix socket, by libcurl.
//
// Each call is one POST. All of them run on one thread of the channel's own:
// submitting, cancelling and closing never wait for the daemon. Every call in
// flight has a connection to itself, so that a long poll holds up nothing. It
// is kept for the next call, for the daemon takes an agent without a connection
// for gone; but a call that is not answered takes its connection with it.
#ifndef ESTIMATORD_TRANSPORT_CHANNEL_HPP
#define ESTIMATORD_TRANSPORT_CHANNEL_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "transport/outcome.hpp"

namespace estimatord {

enum class Method { kEstimate, kCorrections };

struct ChannelOptions {
  // Path of the daemon's Unix socket.
  std::string socket;
  // Longest message that is taken as an answer.
  std::size_t maxAnswerBytes = std::size_t{4} << 20;
};

// Longest path that fits a Unix socket address.
constexpr std::size_t kMaxSocketPath = 107;

// Longest deadline of a call; a longer one is cut to it.
constexpr std::chrono::hours kMaxDeadline{1};

class Channel {
 public:
  using CallId = std::uint64_t;
  // Takes the outcome of a call, exactly once, on the channel's thread (or on
  // the caller's, when the channel is already closing). It must not throw and
  // not block.
  using Done = std::function<void(Outcome&&)>;

  // Starts the thread. Null with the reason in `error` when this process cannot
  // make such calls at all; a daemon that is not there is no such reason.
  static std::unique_ptr<Channel> open(
      const ChannelOptions& options, std::string* error);

  // Cancels what is in flight and waits for the thread, which waits for nobody.
  ~Channel();

  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Calls `method` with a serialised mesos.ResourceUsage. The daemon is told
  // the deadline, and it is enforced here as well.
  CallId call(
      Method method,
      const std::string& usage,
      std::chrono::milliseconds deadline,
      Done done);

  // Ends a call as kCancelled, if it has not ended yet.
  void cancel(CallId id);

 private:
  class Loop;

  explicit Channel(std::shared_ptr<Loop> loop);

  const std::shared_ptr<Loop> loop_;
  std::thread thread_;
};

}  // namespace estimatord

#endif  // ESTIMATORD_TRANSPORT_CHANNEL_HPP
