/** Completion for fish 3 and later. */
import {
  type CommandShape,
  type Completion,
  type FlagShape,
  furtherWords,
  type OperandShape,
  valuedFlags,
} from './command-shape.ts'

export function fishCompletion(commands: CommandShape[]): string {
  const names = commands.map(({ name }) => name)
  const valued = commands.flatMap((command) =>
    valuedFlags(command).map((flag) => quoted(`${command.name} ${flag}`)),
  )
  return `# Completion of trove for fish, made by \`trove completion fish\`.

# Each flag that a value follows, after its command.
set -g __trove_valued ${valued.join(' ')}

function __trove_uses -a command
    set -l words (commandline -opc)
    test (count $words) -ge 2; and test $words[2] = $command
end

# Whether the operand at the cursor is number $place of the command, or that one or a later one with \`more\`.
function __trove_operand -a command place more
    __trove_uses $command; or return 1
    set -l words (commandline -opc)
    set -l operand 1
    set -l skips 0
    for word in $words[3..-1]
        if test $skips = 1
            set skips 0
        else if contains -- "$command $word" $__trove_valued
            set skips 1
        else if not string match -q -- '-?*' $word
            set operand (math $operand + 1)
        end
    end
    test $operand = $place; or test "$more" = more -a $operand -gt $place
end

function __trove_needs_command
    test (count (commandline -opc)) = 1
end

complete -c trove -f
complete -c trove -n __trove_needs_command -s h -l help -d 'show help'
complete -c trove -n __trove_needs_command -s V -l version -d 'show the version'
complete -c trove -n __trove_needs_command -a ${quoted(furtherWords.join(' '))}
complete -c trove -n '__trove_operand help 1' -a ${quoted(names.join(' '))}
${commands.flatMap(linesOf).join('\n')}
`
}

function linesOf({ name, summary, flags, operands }: CommandShape): string[] {
  return [
    `complete -c trove -n __trove_needs_command -a ${name} -d ${quoted(summary)}`,
    ...flags.map((flag) => flagLine(name, flag)),
    ...operands.flatMap((operand, index) => operandLines(name, operand, index + 1)),
  ]
}

function flagLine(command: string, { long, short, help, value }: FlagShape): string {
  const words = [
    `complete -c trove -n '__trove_uses ${command}'`,
    ...(short === undefined ? [] : [`-s ${short.slice(1)}`]),
    `-l ${long.slice(2)}`,
    ...(value === undefined ? [] : [valueOf(value.completion)]),
    `-d ${quoted(help)}`,
  ]
  return words.join(' ')
}

function valueOf(completion: Completion): string {
  if (completion === 'files') return '-r -F'
  return completion === null ? '-x' : `-x ${offered(completion)}`
}

function operandLines(command: string, operand: OperandShape, place: number): string[] {
  const { completion, repeats } = operand
  if (completion === null) return []
  const condition = `'__trove_operand ${command} ${place}${repeats ? ' more' : ''}'`
  const offers = completion === 'files' ? '-F' : offered(completion)
  return [`complete -c trove -n ${condition} ${offers}`]
}

function offered(completion: Exclude<Completion, null | 'files'>): string {
  if (completion === 'directories') return "-a '(__fish_complete_directories)'"
  return `-a ${quoted(completion.words.join(' '))}`
}

function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, String.raw`\$&`)}'`
}
