/** `epochMs` as GitHub's REST API writes times: in whole seconds, without a fraction, which
 *  `fromdate` of jq does not parse (docs.github.com/rest/actions/artifacts). */
export function instant(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, -'.000Z'.length)}Z`
}
