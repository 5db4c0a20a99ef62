/** Completion for bash 3.2 and later, without the package bash-completion. */
import {
  type CommandShape,
  type Completion,
  furtherWords,
  spellings,
  valuedFlags,
} from './command-shape.ts'

/** The script splits the line itself, since bash also splits words at `=`, `:` and `@`, which flags
 *  and REFs contain. It leaves files to readline, which quotes them: with `-o default`, readline
 *  completes files when the function finds nothing, unless `compopt` (bash 4) turns that off. */
export function bashCompletion(commands: CommandShape[]): string {
  const names = commands.map(({ name }) => name)
  return `# Completion of trove for bash, made by \`trove completion bash\`.

_trove_words() {
  compopt +o default 2>/dev/null
  COMPREPLY=($(compgen -W "$1" -P "$prefix" -- "$current"))
}

_trove_directories() {
  compopt +o default -o dirnames 2>/dev/null
}

# Readline completes them.
_trove_files() {
  :
}

_trove_nothing() {
  compopt +o default 2>/dev/null
}

_trove_value() {
  case "$command $1" in
${commands.flatMap(valueCases).join('\n')}
    *) _trove_nothing ;;
  esac
}

_trove_operand() {
  case "$command $operand" in
${commands.flatMap(operandCases).join('\n')}
    *) _trove_nothing ;;
  esac
}

_trove() {
  local line=\${COMP_LINE:0:COMP_POINT} words current prefix='' command flags='' valued='' operand=1 word i
  COMPREPLY=()
  read -a words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  local last=$((\${#words[@]} - 1))
  current=\${words[last]}
  command=\${words[1]}
  if ((last <= 1)); then
    _trove_words '${[...names, ...furtherWords, '--help', '--version'].join(' ')}'
    return
  fi
  case $command in
    help) _trove_words '${names.join(' ')}'; return ;;
${commands.map(flagCase).join('\n')}
    *) _trove_nothing; return ;;
  esac
  local isOperand=0
  for ((i = 2; i < last; i++)); do
    word=\${words[i]}
    if ((isOperand)) || [[ $word != -* || $word == - ]]; then operand=$((operand + 1))
    elif [[ $word == -- ]]; then isOperand=1
    elif [[ $valued == *" $word "* ]]; then
      i=$((i + 1))
      if ((i == last)); then _trove_value "$word"; return; fi
    fi
  done
  if ((isOperand)) || [[ $current != -* ]]; then _trove_operand
  elif [[ $current == --*=* ]]; then
    word=\${current%%=*}
    current=\${current#*=}
    # Where \`=\` ends no word, the flag is part of what is replaced.
    [[ $COMP_WORDBREAKS == *=* ]] || prefix=$word=
    _trove_value "$word"
  else _trove_words "$flags"
  fi
}

complete -o default -F _trove trove
`
}

function flagCase(command: CommandShape): string {
  const flags = command.flags.flatMap(spellings).join(' ')
  return `    ${command.name}) flags='${flags}' valued=' ${valuedFlags(command).join(' ')} ' ;;`
}

function valueCases({ name, flags }: CommandShape): string[] {
  return flags.flatMap((flag) => {
    if (flag.value === undefined || flag.value.completion === null) return []
    const patterns = spellings(flag).map((spelling) => `'${name} ${spelling}'`)
    return [`    ${patterns.join(' | ')}) ${actionOf(flag.value.completion)} ;;`]
  })
}

function operandCases({ name, operands }: CommandShape): string[] {
  return operands.flatMap(({ completion, repeats }, index) => {
    if (completion === null) return []
    const pattern = repeats ? `'${name} '*` : `'${name} ${index + 1}'`
    // What may be repeated is last, and stands at its own place and all later ones.
    const earlier = repeats
      ? Array.from({ length: index }, (_, place) => `'${name} ${place + 1}'`)
      : []
    const before = earlier.map((place) => `    ${place}) _trove_nothing ;;`)
    return [...before, `    ${pattern}) ${actionOf(completion)} ;;`]
  })
}

function actionOf(completion: Exclude<Completion, null>): string {
  if (typeof completion === 'string') return `_trove_${completion}`
  return `_trove_words '${completion.words.join(' ')}'`
}
