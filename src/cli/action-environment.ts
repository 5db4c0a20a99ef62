/** Lets GitHub's actions talk to a store on every runner, unmodified. */

/** Returns a value of NODE_OPTIONS with which an action of Node 18.18 or newer uses the store and
 *  the token. It contains neither blanks nor quotes.
 *
 *  GitHub's runner sets the address and the token of its own service after it has merged a step's
 *  `env`, and takes no `GITHUB_*` from there, but it passes NODE_OPTIONS on (actions/runner,
 *  `ActionRunner.cs` and `NodeScriptActionHandler.cs`; only files and commands cannot set it). So a
 *  module that Node loads before the action sets them anew. */
export function nodeOptionsOf(url: string, token: string): string {
  const variables = {
    ACTIONS_RESULTS_URL: url,
    ACTIONS_RUNTIME_TOKEN: token,
    // Asked for artifacts of other runs.
    GITHUB_API_URL: url,
    // The actions do nothing for other servers (GITHUB-PROTOCOL §1).
    GITHUB_SERVER_URL: 'https://github.com',
  }
  const program = `Object.assign(process.env,${JSON.stringify(variables)})`
  return `--import=data:text/javascript,${encodeURIComponent(program)}`
}
