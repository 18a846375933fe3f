#include "cli/completion.h"

namespace kferry::cli {
namespace {

constexpr std::string_view bash = R"(# bash completion for kferry
_kferry() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]}
  COMPREPLY=()
  case $previous in
    --config|--control|--ca|--ca-password-file|--certificate|--key|--password-file)
      mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    completion) mapfile -t COMPREPLY < <(compgen -W "bash zsh fish" -- "$current"); return ;;
  esac
  local words="run check doctor probe health reload upgrade drain settings completion"
  words="$words --config --help --version"
  if [ "$COMP_CWORD" -gt 1 ]; then
    case $verb in
      run) words="--config --help" ;;
      check) words="--config --dial --time-limit --help" ;;
      doctor|completion) words="--help" ;;
      health) words="--serving --live --config --help" ;;
      reload) words="--dry-run --control --config --help" ;;
      upgrade) words="--timeout --control --config --help" ;;
      drain) words="--no-wait --control --config --help" ;;
      settings)
        words="$("${COMP_WORDS[0]}" settings --tsv 2>/dev/null | tail -n +2 | cut -f 2) --tsv --help" ;;
      probe)
        words="--tls --ca --ca-password-file --certificate --key --password-file --server-name"
        words="$words --timeout --help" ;;
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _kferry kferry
)";

constexpr std::string_view zsh = R"(#compdef kferry
_kferry() {
  if (( CURRENT == 2 )); then
    local -a verbs=(
      'run:run the proxy'
      'check:check the configuration and print the plan'
      'doctor:show what this host offers'
      'probe:look at a listener as a client would'
      'health:ask the running kferry whether it is ready'
      'reload:let the running kferry read its configuration again'
      'upgrade:let the installed binary take over without a gap'
      'drain:end the running kferry once its clients are answered'
      'settings:list every setting'
      'completion:print a completion script'
    )
    _describe 'verb' verbs
    _arguments '--config[configuration file]:file:_files' '--help[help]' '--version[version]'
    return
  fi
  case $words[2] in
    run) _arguments '--config[configuration file]:file:_files' '--help[help]' ;;
    check) _arguments '--config[configuration file]:file:_files' '--dial[dial the brokers]' \
      '--time-limit[seconds for all that is dialled]:seconds:' '--help[help]' ;;
    probe) _arguments '--tls[speak TLS]' '--ca[authorities to trust]:file:_files' \
      '--ca-password-file[password of --ca]:file:_files' '--certificate[client certificate]:file:_files' \
      '--key[key of the client certificate]:file:_files' \
      '--password-file[password of --certificate and --key]:file:_files' \
      '--server-name[name to ask for and to verify]:name:_hosts' \
      '--timeout[milliseconds]:milliseconds:' '--help[help]' ;;
    health) _arguments '--serving[ask whether its listeners accept]' '--live[ask whether its workers turn]' \
      '--config[configuration file]:file:_files' '--help[help]' ;;
    reload) _arguments '--dry-run[only print what would change]' '--control[control socket]:file:_files' \
      '--config[configuration file]:file:_files' '--help[help]' ;;
    upgrade) _arguments '--timeout[seconds until the new process is ready]:seconds:' \
      '--control[control socket]:file:_files' '--config[configuration file]:file:_files' '--help[help]' ;;
    drain) _arguments '--no-wait[return once it has begun]' '--control[control socket]:file:_files' \
      '--config[configuration file]:file:_files' '--help[help]' ;;
    settings) _arguments '--tsv[one line each, separated by tabs]' '--help[help]' ;;
    completion) _values 'shell' bash zsh fish ;;
  esac
}
compdef _kferry kferry
)";

constexpr std::string_view fish = R"(# fish completion for kferry
complete -c kferry -f
complete -c kferry -n __fish_use_subcommand -a run -d 'Run the proxy'
complete -c kferry -n __fish_use_subcommand -a check -d 'Check the configuration and print the plan'
complete -c kferry -n __fish_use_subcommand -a doctor -d 'Show what this host offers'
complete -c kferry -n __fish_use_subcommand -a probe -d 'Look at a listener as a client would'
complete -c kferry -n __fish_use_subcommand -a health -d 'Ask the running kferry whether it is ready'
complete -c kferry -n __fish_use_subcommand -a reload -d 'Let the running kferry read its configuration again'
complete -c kferry -n __fish_use_subcommand -a upgrade -d 'Let the installed binary take over without a gap'
complete -c kferry -n __fish_use_subcommand -a drain -d 'End the running kferry once its clients are answered'
complete -c kferry -n __fish_use_subcommand -a settings -d 'List every setting'
complete -c kferry -n __fish_use_subcommand -a completion -d 'Print a completion script'
complete -c kferry -n __fish_use_subcommand -l version -d 'Print the version'
complete -c kferry \
  -n '__fish_use_subcommand; or __fish_seen_subcommand_from run check health reload upgrade drain' \
  -l config -r -F -d 'Configuration file'
complete -c kferry -n '__fish_seen_subcommand_from check' -l dial -d 'Dial the brokers'
complete -c kferry -n '__fish_seen_subcommand_from check' -l time-limit -x -d 'Seconds for all dials'
complete -c kferry -n '__fish_seen_subcommand_from probe' -l tls -d 'Speak TLS'
complete -c kferry -n '__fish_seen_subcommand_from probe' -l ca -r -F -d 'Authorities to trust'
complete -c kferry -n '__fish_seen_subcommand_from probe' -l ca-password-file -r -F -d 'Password of --ca'
complete -c kferry -n '__fish_seen_subcommand_from probe' -l certificate -r -F -d 'Client certificate'
complete -c kferry -n '__fish_seen_subcommand_from probe' -l key -r -F -d 'Key of the client certificate'
complete -c kferry -n '__fish_seen_subcommand_from probe' \
  -l password-file -r -F -d 'Password of --certificate and --key'
complete -c kferry -n '__fish_seen_subcommand_from probe' -l server-name -x -d 'Name to ask for and to verify'
complete -c kferry -n '__fish_seen_subcommand_from probe' -l timeout -x -d 'Milliseconds'
complete -c kferry -n '__fish_seen_subcommand_from health' -l serving -d 'Ask whether its listeners accept'
complete -c kferry -n '__fish_seen_subcommand_from health' -l live -d 'Ask whether its workers turn'
complete -c kferry -n '__fish_seen_subcommand_from reload' -l dry-run -d 'Only print what would change'
complete -c kferry -n '__fish_seen_subcommand_from reload upgrade drain' -l control -r -F -d 'Control socket'
complete -c kferry -n '__fish_seen_subcommand_from upgrade' \
  -l timeout -x -d 'Seconds until the new process is ready'
complete -c kferry -n '__fish_seen_subcommand_from drain' -l no-wait -d 'Return once it has begun'
complete -c kferry -n '__fish_seen_subcommand_from settings' -l tsv -d 'One line each, separated by tabs'
complete -c kferry -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'
complete -c kferry -l help -d 'Help'
)";

}  // namespace

std::optional<std::string_view> completion_script(std::string_view shell) {
  if (shell == "bash") return bash;
  if (shell == "zsh") return zsh;
  if (shell == "fish") return fish;
  return std::nullopt;
}

}  // namespace kferry::cli
