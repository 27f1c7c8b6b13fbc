#include "glue/call.hpp"

#include <map>
#include <mutex>

namespace estimatord {
namespace {

// How much longer than the channel's own deadline is waited for it.
constexpr milliseconds kDeadlineSlack{1000};

// The open channels by socket.
struct Channels {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<Channel>> bySocket;
};

// Never destroyed: the agent deletes its modules while the process exits.
Channels& channels() {
  static Channels* const all = new Channels();
  return *all;
}

}  // namespace

std::shared_ptr<Channel> shareChannel(
    const std::string& socket, std::string* error) {
  Channels& all = channels();
  const std::lock_guard<std::mutex> lock(all.mutex);
  std::shared_ptr<Channel> channel = all.bySocket[socket].lock();
  if (channel == nullptr) {
    ChannelOptions options;
    options.socket = socket;
    channel = Channel::open(options, error);
    all.bySocket[socket] = channel;
  }
  return channel;
}

process::Future<Outcome> call(
    const std::shared_ptr<Channel>& channel,
    Method method,
    const std::string& usage,
    milliseconds deadline) {
  const auto promise = std::make_shared<process::Promise<Outcome>>();
  const process::Future<Outcome> future = promise->future();
  const Channel::CallId id =
      channel->call(method, usage, deadline, [promise](Outcome&& outcome) {
        promise->set(std::move(outcome));
      });

  // Weak: a future that somebody keeps must not keep the channel.
  const std::weak_ptr<Channel> weak = channel;
  future.onDiscard([weak, id]() {
    const std::shared_ptr<Channel> open = weak.lock();
    if (open != nullptr) {
      open->cancel(id);
    }
  });

  // The channel keeps the deadline itself. Should it ever not, the agent must
  // have its answer all the same: a pending one ends its loop for good.
  return future.after(
      toDuration(deadline + kDeadlineSlack),
      [](const process::Future<Outcome>& late) -> process::Future<Outcome> {
        process::Future<Outcome> copy = late;
        copy.discard();
        Outcome outcome;
        outcome.ending = Ending::kLate;
        outcome.error = "no answer in time";
        return outcome;
      });
}

}  // namespace estimatord
