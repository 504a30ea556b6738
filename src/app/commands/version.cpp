#include <event2/event.h>
#include <openssl/crypto.h>

#include <ostream>

#include <hangup/app/commands.h>

namespace hangup::app::commands {

int version(std::ostream& out) {
  out << "hangup " HANGUP_VERSION "\n"
      << "libevent " << event_get_version() << '\n'
      << OpenSSL_version(OPENSSL_VERSION) << '\n'
#ifdef __clang__
      << "compiler " __VERSION__ "\n";
#else
      << "compiler g++ " __VERSION__ "\n";
#endif
  return exit_ok;
}

}  // namespace hangup::app::commands
