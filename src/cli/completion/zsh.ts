/** Completion for zsh: a file `_trove` in a directory of `fpath`, or text for `source`. */
import {
  type CommandShape,
  type Completion,
  type FlagShape,
  furtherWords,
  type OperandShape,
} from './command-shape.ts'

export function zshCompletion(commands: CommandShape[]): string {
  const listed = commands.map(({ name, summary }) =>
    quoted(`${name}:${summary.replaceAll(':', '\\:')}`),
  )
  return `#compdef trove
# Completion of trove for zsh, made by \`trove completion zsh\`.

_trove() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  _arguments -C '(- *)'{-h,--help}'[show help]' '(- *)'{-V,--version}'[show the version]' \\
    '1: :->command' '*:: :->arguments'
  case $state in
    command)
      local -a commands
      commands=(
${[...listed, ...furtherWords.map(quoted)].map((each) => `        ${each}`).join('\n')}
      )
      _describe -t commands 'trove command' commands
      ;;
    arguments)
      curcontext="\${curcontext%:*:*}:trove-$words[1]:"
      case $words[1] in
        help) _arguments '1:command:(${commands.map(({ name }) => name).join(' ')})' ;;
${commands.map(commandCase).join('\n')}
      esac
      ;;
  esac
}

if [[ $funcstack[1] == _trove ]]; then _trove "$@"; else compdef _trove trove; fi
`
}

function commandCase({ name, flags, operands }: CommandShape): string {
  const specs = [
    ...flags.map(flagSpec),
    ...operands.map((operand, index) => operandSpec(operand, index + 1)),
  ]
  const lines = specs.map((spec) => `            ${spec}`).join(' \\\n')
  return `        ${name})\n          _arguments -s -S \\\n${lines}\n          ;;`
}

/** \`'(-o --output)'{-o+,--output=}'[help]:FILE:_files'\`. */
function flagSpec({ short, long, help, repeats, value }: FlagShape): string {
  const argument = value === undefined ? '' : `:${value.label}:${actionOf(value.completion)}`
  const rest = `[${help.replaceAll(/[[\]\\:]/g, String.raw`\$&`)}]${argument}`
  const ownLong = value === undefined ? long : `${long}=`
  if (short === undefined) return quoted(`${repeats ? '*' : ''}${ownLong}${rest}`)
  const ownShort = value === undefined ? short : `${short}+`
  const before = repeats ? '*' : `(${short} ${long})`
  return `${quoted(before)}{${ownShort},${ownLong}}${quoted(rest)}`
}

function operandSpec(
  { label, completion, isOptional, repeats }: OperandShape,
  place: number,
): string {
  const action = `${label.replaceAll(/[\\:]/g, String.raw`\$&`)}:${actionOf(completion)}`
  return quoted(repeats ? `*:${action}` : `${place}:${isOptional ? ':' : ''}${action}`)
}

/** A blank is an action that offers nothing. */
function actionOf(completion: Completion): string {
  if (completion === null) return ' '
  if (completion === 'files') return '_files'
  return completion === 'directories' ? '_path_files -/' : `(${completion.words.join(' ')})`
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
