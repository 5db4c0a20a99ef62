/** All commands by name, in the order of help. Commands that work on a store, or run one, are
 *  loaded on demand. */
import { clientCommands, type CommandName } from './client-commands.ts'
import type { Listed } from './command.ts'

export const commands: Record<CommandName, Listed> = {
  ...clientCommands,
  run: {
    summary: 'run a workflow on this machine',
    load: async () => (await import('./commands/run.ts')).runCommand,
  },
  serve: {
    summary: 'start the server',
    load: async () => (await import('./commands/serve.ts')).serveCommand,
  },
  gc: {
    summary: 'free the space of expired and deleted artifacts',
    load: async () => (await import('./commands/gc.ts')).gcCommand,
  },
  scrub: {
    summary: 'read back everything that is stored and report damage',
    load: async () => (await import('./commands/scrub.ts')).scrubCommand,
  },
  backup: {
    summary: 'copy a store, running or not, to a new directory',
    load: async () => (await import('./commands/backup.ts')).backupCommand,
  },
  snapshot: {
    summary: 'copy the metadata to the bucket that holds the packs',
    load: async () => (await import('./commands/snapshot.ts')).snapshotCommand,
  },
  'move-packs': {
    summary: 'move the packs into an S3 bucket, or back',
    load: async () => (await import('./commands/move-packs.ts')).movePacksCommand,
  },
  recover: {
    summary: 'rebuild lost metadata from packs',
    load: async () => (await import('./commands/recover.ts')).recoverCommand,
  },
}
