/** Fills in a job's figures as they come, then reloads for the outcome. */

const everyMs = 1000
const section = document.querySelector<HTMLElement>('[data-job]')
const id = section?.dataset['job']
if (section && id !== undefined && id !== '') void follow(section, id)

interface JobMessage {
  state: string
  progress: Record<string, unknown>
}

async function follow(place: HTMLElement, job: string): Promise<void> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, everyMs))
    const response = await fetch(`/api/v1/admin/jobs/${job}`).catch(() => undefined)
    if (response === undefined) continue
    if (!response.ok) return
    const { state, progress } = (await response.json()) as JobMessage
    if (state === 'done' || state === 'failed') {
      location.reload()
      return
    }
    const badge = place.querySelector('[data-job-state]')
    if (badge) badge.textContent = state
    for (const [name, value] of Object.entries(progress)) {
      const figure = place.querySelector(`[data-figure="${CSS.escape(name)}"]`)
      if (figure && typeof value === 'number') figure.textContent = value.toLocaleString('en')
    }
  }
}
