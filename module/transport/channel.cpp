#include "transport/channel.hpp"

#include <curl/curl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <iterator>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "transport/frame.hpp"
#include "transport/identity.hpp"
#include "transport/inherited.hpp"
#include "transport/transfer.hpp"
#include "transport/wire.hpp"

namespace estimatord {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Connections kept: one for each of the two calls, and one to spare each.
constexpr long kKeptConnections = 4;

// Longest sleep of the thread when nothing is due.
constexpr milliseconds kIdle{60000};

struct CurlMultiCleanup {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};

// Why this libcurl cannot be used; empty when it can. Looked at when the agent
// runs: the library need not be the one of the build.
std::string unfitLibcurl() {
  const curl_version_info_data* const info = curl_version_info(CURLVERSION_NOW);
  std::string missing;
  if ((info->features & CURL_VERSION_HTTP2) == 0) {
    missing += " HTTP/2";
  }
  if ((info->features & CURL_VERSION_UNIX_SOCKETS) == 0) {
    missing += " Unix-sockets";
  }
  if (missing.empty()) {
    return "";
  }
  return std::string("libcurl ") + info->version + " was built without" +
         missing;
}

// Once per process and never undone: the agent may use libcurl for itself.
bool initLibcurl() {
  static const bool ok = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return ok;
}

Outcome ended(Ending ending, const char* error) {
  Outcome outcome;
  outcome.ending = ending;
  outcome.error = error;
  return outcome;
}

// Blocks every signal in the threads started during its life: the agent's
// signals are for the agent's threads.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

// What the thread and the callers share, and what the thread has to itself.
class Channel::Loop {
 public:
  explicit Loop(const ChannelOptions& options) : options_(options) {}

  ~Loop() {
    if (wake_ >= 0) {
      ::close(wake_);
    }
  }

  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  bool init(std::string* error);
  CallId submit(
      Method method, std::string frame, milliseconds deadline, Done done);
  void cancel(CallId id);
  void stop();
  void run();

 private:
  struct Call {
    Method method = Method::kEstimate;
    std::string frame;
    Clock::time_point deadline;
    Done done;
    std::unique_ptr<Transfer> transfer;
  };

  using CallIterator = std::map<CallId, Call>::iterator;

  void wake() const;
  void drain() const;
  void start(CallId id, Call call);
  void transfer(CallIterator at, Connection connection, std::string frame);
  void collect();
  void expire();
  milliseconds sleepFor() const;
  void end(CallIterator at, Outcome&& outcome);

  const ChannelOptions options_;
  int wake_ = -1;

  std::mutex mutex_;
  // Guarded by mutex_.
  bool stopping_ = false;
  CallId lastId_ = 0;
  std::vector<std::pair<CallId, Call>> submitted_;
  std::vector<CallId> cancelled_;

  // The thread's own.
  std::unique_ptr<CURLM, CurlMultiCleanup> multi_;
  std::map<CallId, Call> calls_;
};

bool Channel::Loop::init(std::string* error) {
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_ < 0) {
    *error = std::string("eventfd: ") + std::strerror(errno);
    return false;
  }
  {
    const InheritedSocketsClosed closed;
    multi_.reset(curl_multi_init());
  }
  if (multi_ == nullptr) {
    *error = "curl_multi_init failed";
    return false;
  }
  // One call at a time on a connection: an abandoned one then takes nothing
  // with it but its own, and a hung one holds up no other.
  if (curl_multi_setopt(
          multi_.get(),
          CURLMOPT_PIPELINING,
          static_cast<long>(CURLPIPE_NOTHING)) != CURLM_OK ||
      curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, kKeptConnections) !=
          CURLM_OK) {
    *error = "libcurl refused an option";
    return false;
  }
  return true;
}

Channel::CallId Channel::Loop::submit(
    Method method, std::string frame, milliseconds deadline, Done done) {
  Call call;
  call.method = method;
  call.frame = std::move(frame);
  call.deadline = Clock::now() + deadline;
  call.done = std::move(done);

  CallId id = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    id = ++lastId_;
    if (!stopping_) {
      submitted_.emplace_back(id, std::move(call));
      wake();
      return id;
    }
  }
  call.done(ended(Ending::kCancelled, "the channel is closed"));
  return id;
}

void Channel::Loop::cancel(CallId id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  cancelled_.push_back(id);
  wake();
}

void Channel::Loop::stop() {
  const std::lock_guard<std::mutex> lock(mutex_);
  stopping_ = true;
  wake();
}

void Channel::Loop::wake() const {
  const std::uint64_t one = 1;
  // EAGAIN means that the counter is full, and then the thread is awake.
  while (::write(wake_, &one, sizeof(one)) < 0 && errno == EINTR) {
  }
}

void Channel::Loop::drain() const {
  std::uint64_t count = 0;
  while (::read(wake_, &count, sizeof(count)) < 0 && errno == EINTR) {
  }
}

void Channel::Loop::run() {
  for (;;) {
    drain();
    std::vector<std::pair<CallId, Call>> submitted;
    std::vector<CallId> cancelled;
    bool stopping = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      submitted.swap(submitted_);
      cancelled.swap(cancelled_);
      stopping = stopping_;
    }

    for (auto& each : submitted) {
      start(each.first, std::move(each.second));
    }
    for (const CallId id : cancelled) {
      const auto at = calls_.find(id);
      if (at != calls_.end()) {
        end(at, ended(Ending::kCancelled, "cancelled"));
      }
    }
    if (stopping) {
      while (!calls_.empty()) {
        end(calls_.begin(), ended(Ending::kCancelled, "the channel closes"));
      }
      // Closes the connections now, on the thread that used them.
      multi_.reset();
      return;
    }

    int running = 0;
    curl_multi_perform(multi_.get(), &running);
    collect();
    expire();

    curl_waitfd wakeUp = {};
    wakeUp.fd = wake_;
    wakeUp.events = CURL_WAIT_POLLIN;
    curl_multi_wait(
        multi_.get(),
        &wakeUp,
        1,
        static_cast<int>(sleepFor().count()),
        nullptr);
  }
}

void Channel::Loop::start(CallId id, Call call) {
  std::string frame = std::move(call.frame);
  const auto at = calls_.emplace(id, std::move(call)).first;
  transfer(at, Connection::kKept, std::move(frame));
}

// Begins the transfer of a call, or ends the call.
void Channel::Loop::transfer(
    CallIterator at, Connection connection, std::string frame) {
  Call& call = at->second;
  const Clock::duration left = call.deadline - Clock::now();
  if (left <= Clock::duration::zero()) {
    end(at, ended(Ending::kLate, "no time left to call"));
    return;
  }
  // Rounded up: when time is up on both sides, it should be up here first.
  const milliseconds told =
      std::chrono::duration_cast<milliseconds>(left) + milliseconds(1);
  std::unique_ptr<Transfer> transfer(
      new Transfer(options_, connection, std::move(frame)));
  if (!transfer->prepare(call.method, told) ||
      curl_multi_add_handle(multi_.get(), transfer->easy()) != CURLM_OK) {
    end(at, ended(Ending::kUnreachable, "libcurl refused the call"));
    return;
  }
  call.transfer = std::move(transfer);
}

// Ends the calls whose transfer is over, except those that are made again.
void Channel::Loop::collect() {
  int left = 0;
  while (const CURLMsg* const message =
             curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) {
      continue;
    }
    // The message is void once its handle is removed.
    const CURL* const easy = message->easy_handle;
    const CURLcode code = message->data.result;
    const auto at = std::find_if(
        calls_.begin(),
        calls_.end(),
        [&](const std::pair<const CallId, Call>& each) {
          return each.second.transfer != nullptr &&
                 each.second.transfer->easy() == easy;
        });
    if (at == calls_.end()) {
      continue;
    }
    Transfer* const over = at->second.transfer.get();
    if (over->needsNewConnection(code)) {
      std::string frame = over->takeFrame();
      curl_multi_remove_handle(multi_.get(), over->easy());
      at->second.transfer.reset();
      transfer(at, Connection::kNew, std::move(frame));
    } else {
      end(at, over->finish(code));
    }
  }
}

void Channel::Loop::expire() {
  const Clock::time_point now = Clock::now();
  for (auto at = calls_.begin(); at != calls_.end();) {
    const auto next = std::next(at);
    if (now >= at->second.deadline) {
      end(at, at->second.transfer->expire());
    }
    at = next;
  }
}

milliseconds Channel::Loop::sleepFor() const {
  milliseconds sleep = kIdle;
  const Clock::time_point now = Clock::now();
  for (const auto& each : calls_) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(each.second.deadline - now);
    // Rounded up, so as not to wake just before it.
    sleep =
        std::min(sleep, std::max(left, milliseconds::zero()) + milliseconds(1));
  }
  return sleep;
}

void Channel::Loop::end(CallIterator at, Outcome&& outcome) {
  const Call call = std::move(at->second);
  calls_.erase(at);
  if (call.transfer != nullptr) {
    if (!outcome.answered()) {
      call.transfer->abandon();
    }
    curl_multi_remove_handle(multi_.get(), call.transfer->easy());
  }
  call.done(std::move(outcome));
}

std::unique_ptr<Channel> Channel::open(
    const ChannelOptions& options, std::string* error) {
  if (options.socket.empty() || options.socket.size() > kMaxSocketPath) {
    *error = "a socket path has 1 to " + std::to_string(kMaxSocketPath) +
             " bytes, not " + std::to_string(options.socket.size());
    return nullptr;
  }
  if (!initLibcurl()) {
    *error = "curl_global_init failed";
    return nullptr;
  }
  *error = unfitLibcurl();
  if (!error->empty()) {
    return nullptr;
  }

  try {
    // Made here, where a failure can still be told.
    agentId();
    const std::shared_ptr<Loop> loop = std::make_shared<Loop>(options);
    if (!loop->init(error)) {
      return nullptr;
    }
    return std::unique_ptr<Channel>(new Channel(loop));
  } catch (const std::exception& failure) {
    *error = failure.what();
    return nullptr;
  }
}

Channel::Channel(std::shared_ptr<Loop> loop) : loop_(std::move(loop)) {
  const SignalsBlocked blocked;
  // The thread has its own hold on the loop: see the destructor.
  thread_ = std::thread([loop = loop_] { loop->run(); });
  pthread_setname_np(thread_.native_handle(), "estimatord");
}

Channel::~Channel() {
  loop_->stop();
  // The last owner may let go in a call's Done, on the thread itself.
  if (thread_.get_id() == std::this_thread::get_id()) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

Channel::CallId Channel::call(
    Method method, const std::string& usage, milliseconds deadline, Done done) {
  std::string frame = startFrame();
  appendUsageRequest(usage, &frame);
  if (!finishFrame(&frame)) {
    done(ended(Ending::kMalformed, "the usage is too long to send"));
    return 0;
  }
  return loop_->submit(
      method,
      std::move(frame),
      std::min<milliseconds>(deadline, kMaxDeadline),
      std::move(done));
}

void Channel::cancel(CallId id) {
  loop_->cancel(id);
}

}  // namespace estimatord
