#!/usr/bin/env -S node --max-old-space-size=512 --max-semi-space-size=2
/** The `trove` command. */
// The limits in the first line keep V8 from letting garbage grow with the machine's memory; no
// command needs more. Threads have limits of their own.
import { commands } from './command-list.ts'
import { runProgram } from './program.ts'

await runProgram(commands)
