/** All commands by name, in the order of help. Those that work on a store, or run one, are loaded when they are asked for. */
import { clientCommands, type Commands } from './client-commands.ts'

export const commands: Commands = {
  serve: {
    summary: 'starts the server',
    load: async () => {
      // Stacks in its log name places of the source. Reading the maps takes 20 ms, which a small command would feel.
      process.setSourceMapsEnabled(true)
      return (await import('./commands/serve.ts')).serveCommand
    },
  },
  ...clientCommands,
  run: {
    summary: 'runs a workflow on this machine',
    load: async () => (await import('./commands/run.ts')).runCommand,
  },
  gc: {
    summary: 'gives the bytes of what expired or was deleted back to the disk',
    load: async () => (await import('./commands/gc.ts')).gcCommand,
  },
  scrub: {
    summary: 'reads back everything that is stored, and names what is damaged',
    load: async () => (await import('./commands/scrub.ts')).scrubCommand,
  },
  backup: {
    summary: 'copies a store, running or not, to a new directory',
    load: async () => (await import('./commands/backup.ts')).backupCommand,
  },
  'move-packs': {
    summary: 'moves what is stored into a bucket of S3, or back',
    load: async () => (await import('./commands/move-packs.ts')).movePacksCommand,
  },
  recover: {
    summary: 'rebuilds lost metadata from packs',
    load: async () => (await import('./commands/recover.ts')).recoverCommand,
  },
}
