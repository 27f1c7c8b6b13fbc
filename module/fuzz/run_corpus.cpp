// Runs the fuzz target over every file of the folders given: the committed
// corpus, and whatever a fuzzer once found, with any compiler. Each input also
// runs with every byte changed and at every shorter length.
#include <dirent.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(
    const std::uint8_t* data, std::size_t size);

namespace {

void run(const std::string& input) {
  // On the heap and of the exact size, so that a sanitizer sees one byte over.
  const std::vector<std::uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

void runAround(const std::string& input) {
  run(input);
  for (std::size_t length = 0; length < input.size(); ++length) {
    run(input.substr(0, length));
  }
  for (std::size_t at = 0; at < input.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string changed = input;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      run(changed);
    }
  }
}

std::size_t runFolder(const std::string& folder) {
  std::size_t files = 0;
  DIR* const directory = ::opendir(folder.c_str());
  if (directory == nullptr) {
    return files;
  }
  while (const dirent* const entry = ::readdir(directory)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") {
      continue;
    }
    std::ifstream file(folder + '/' + name, std::ios::binary);
    runAround(std::string(
        std::istreambuf_iterator<char>(file),
        std::istreambuf_iterator<char>()));
    ++files;
  }
  ::closedir(directory);
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t files = 0;
  for (int i = 1; i < argc; ++i) {
    files += runFolder(argv[i]);
  }
  if (files == 0) {
    std::cerr << "no corpus found" << std::endl;
    return 1;
  }
  std::cout << files << " inputs" << std::endl;
  return 0;
}
