// Runs the published artifact client in its own process, since it reads its environment once,
// prints to stdout, and keeps the process alive when an upload stalls. Receives calls and sends
// results over the IPC channel of stock-client.ts.
const library = await import(process.argv[2])
const { DefaultArtifactClient } = library.DefaultArtifactClient ? library : library.default
const client = new DefaultArtifactClient()

process.on('message', ({ call, method, args }) => {
  client[method](...args).then(
    (value) => process.send({ call, value }),
    (error) => process.send({ call, error: { name: error.name, message: error.message } }),
  )
})
process.send('ready')
