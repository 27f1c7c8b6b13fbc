#include "transport/inherited.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>

namespace estimatord {
namespace {

std::vector<int> openDescriptors() {
  std::vector<int> result;
  DIR* const directory = ::opendir("/proc/self/fd");
  if (directory == nullptr) {
    return result;
  }
  while (const dirent* const entry = ::readdir(directory)) {
    char* end = nullptr;
    const long fd = std::strtol(entry->d_name, &end, 10);
    // Not "." and "..", and not the folder itself, whose number is free again.
    if (end != entry->d_name && *end == '\0' && fd != ::dirfd(directory)) {
      result.push_back(static_cast<int>(fd));
    }
  }
  ::closedir(directory);
  std::sort(result.begin(), result.end());
  return result;
}

bool isNamelessUnixStream(int fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
      type != SOCK_STREAM) {
    return false;
  }
  sockaddr_un address = {};
  size = sizeof(address);
  return ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
         address.sun_family == AF_UNIX &&
         size <= offsetof(sockaddr_un, sun_path);
}

}  // namespace

InheritedSocketsClosed::InheritedSocketsClosed() : before_(openDescriptors()) {}

InheritedSocketsClosed::~InheritedSocketsClosed() {
  for (const int fd : openDescriptors()) {
    if (std::binary_search(before_.begin(), before_.end(), fd)) {
      continue;
    }
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) == 0 && isNamelessUnixStream(fd)) {
      ::fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
    }
  }
}

}  // namespace estimatord
