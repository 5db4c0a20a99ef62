#!/usr/bin/env -S node --max-old-space-size=512 --max-semi-space-size=2
/** The `trove` command that servers serve (`http/operation/client-package.ts`): the commands
 *  that talk to a server, without dependencies. */
import { clientCommands } from './client-commands.ts'
import { runProgram } from './program.ts'

await runProgram(clientCommands)
