#!/usr/bin/env -S node --max-old-space-size=512 --max-semi-space-size=4
/** `trove` as servers hand it out (`http/operation/client-package.ts`): the commands that speak to one, which need no other package. */
import { clientCommands } from './client-commands.ts'
import { runProgram } from './program.ts'

await runProgram(clientCommands)
