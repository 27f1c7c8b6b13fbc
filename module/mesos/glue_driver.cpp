// Plays the agent around the built module, as a test tells it to on standard
// input: the module is loaded by Mesos's own ModuleManager, its two objects run
// on the real libprocess, and an actor stands in for the agent's usage().
//
//   load <file>                   --modules
//   create estimator|controller   --resource_estimator, --qos_controller
//   usage <file>|pending|failing  what usage() answers from now on
//   estimate <name>               oversubscribable()
//   correct <name>                corrections()
//   destroy estimator|controller
//
//   ok | error <reason>
//   done <name> <milliseconds> ready <resources, as Mesos prints them>
//   done <name> <milliseconds> ready <framework/executor/container>...
//   done <name> <milliseconds> failed|discarded
#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <list>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>

#include <mesos/mesos.hpp>
#include <mesos/module/module.hpp>
#include <mesos/module/qos_controller.hpp>
#include <mesos/module/resource_estimator.hpp>
#include <mesos/resources.hpp>
#include <mesos/slave/oversubscription.hpp>

#include <process/defer.hpp>
#include <process/dispatch.hpp>
#include <process/future.hpp>
#include <process/id.hpp>
#include <process/process.hpp>

#include <stout/flags/parse.hpp>
#include <stout/json.hpp>
#include <stout/protobuf.hpp>
#include <stout/stringify.hpp>

#include "module/manager.hpp"

namespace {

using mesos::Resources;
using mesos::ResourceUsage;
using mesos::modules::ModuleManager;
using mesos::slave::QoSController;
using mesos::slave::QoSCorrection;
using mesos::slave::ResourceEstimator;
using process::Failure;
using process::Future;
using process::Promise;

class Output {
 public:
  void line(const std::string& text) {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::cout << text << std::endl;
  }

 private:
  std::mutex mutex_;
};

// Answers usage() as the agent's actor does.
class Agent : public process::Process<Agent> {
 public:
  Agent() : ProcessBase(process::ID::generate("agent")) {}

  Future<ResourceUsage> usage() {
    if (mode_ == "pending") {
      return pending_.future();
    }
    if (mode_ == "failing") {
      return Failure("no usage");
    }
    return usage_;
  }

  Nothing set(const std::string& mode, const ResourceUsage& usage) {
    mode_ = mode;
    usage_ = usage;
    return Nothing();
  }

 private:
  std::string mode_;
  ResourceUsage usage_;
  Promise<ResourceUsage> pending_;
};

std::string describe(const Resources& resources) {
  return stringify(resources);
}

std::string describe(const std::list<QoSCorrection>& corrections) {
  std::string result;
  for (const QoSCorrection& correction : corrections) {
    const QoSCorrection::Kill& kill = correction.kill();
    result += (result.empty() ? "" : " ") + kill.framework_id().value() + '/' +
              kill.executor_id().value() + '/' + kill.container_id().value();
  }
  return result;
}

class Driver {
 public:
  Driver() { process::spawn(agent_); }

  ~Driver() {
    // The order of the agent: src/slave/main.cpp:955 of 1.12.
    process::terminate(agent_);
    process::wait(agent_);
    controller_.reset();
    estimator_.reset();
  }

  std::string load(const std::string& file) {
    const Try<JSON::Object> json = flags::parse<JSON::Object>(read(file));
    if (json.isError()) {
      return "error " + json.error();
    }
    const Try<mesos::Modules> modules =
        protobuf::parse<mesos::Modules>(json.get());
    if (modules.isError()) {
      return "error " + modules.error();
    }
    const Try<Nothing> loaded = ModuleManager::load(modules.get());
    return loaded.isError() ? "error " + loaded.error() : "ok";
  }

  std::string create(const std::string& what) {
    if (what == "estimator") {
      return create("org_estimatord_ResourceEstimator", &estimator_);
    }
    return create("org_estimatord_QoSController", &controller_);
  }

  std::string destroy(const std::string& what) {
    if (what == "estimator") {
      estimator_.reset();
    } else {
      controller_.reset();
    }
    return "ok";
  }

  std::string usage(const std::string& mode) {
    ResourceUsage usage;
    if (mode != "pending" && mode != "failing" &&
        !usage.ParseFromString(read(mode))) {
      return "error not a usage: " + mode;
    }
    process::dispatch(agent_, &Agent::set, mode, usage).await();
    return "ok";
  }

  void estimate(const std::string& name) {
    report(name, estimator_->oversubscribable());
  }

  void correct(const std::string& name) {
    report(name, controller_->corrections());
  }

  Output& output() { return output_; }

 private:
  static std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(
        std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }

  template <typename Interface>
  std::string create(
      const std::string& name, std::unique_ptr<Interface>* object) {
    const Try<Interface*> created = ModuleManager::create<Interface>(name);
    if (created.isError()) {
      return "error " + created.error();
    }
    object->reset(created.get());
    const Try<Nothing> initialized =
        (*object)->initialize(process::defer(agent_.self(), &Agent::usage));
    return initialized.isError() ? "error " + initialized.error() : "ok";
  }

  template <typename T>
  void report(const std::string& name, const Future<T>& future) {
    const auto start = std::chrono::steady_clock::now();
    future.onAny([this, name, start](const Future<T>& ended) {
      const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
          std::chrono::steady_clock::now() - start);
      std::string what = ended.isFailed() ? "failed" : "discarded";
      if (ended.isReady()) {
        what = "ready " + describe(ended.get());
      }
      output_.line(
          "done " + name + ' ' + std::to_string(took.count()) + ' ' + what);
    });
  }

  Output output_;
  Agent agent_;
  std::unique_ptr<ResourceEstimator> estimator_;
  std::unique_ptr<QoSController> controller_;
};

}  // namespace

int main() {
  process::initialize();
  {
    Driver driver;
    std::string line;
    while (std::getline(std::cin, line)) {
      std::istringstream words(line);
      std::string command;
      std::string argument;
      words >> command >> argument;
      if (command == "load") {
        driver.output().line(driver.load(argument));
      } else if (command == "create") {
        driver.output().line(driver.create(argument));
      } else if (command == "usage") {
        driver.output().line(driver.usage(argument));
      } else if (command == "estimate") {
        driver.estimate(argument);
      } else if (command == "correct") {
        driver.correct(argument);
      } else if (command == "destroy") {
        driver.output().line(driver.destroy(argument));
      } else {
        driver.output().line("error unknown command " + command);
      }
    }
  }
  process::finalize();
  return 0;
}
