/** `/{o}/{r}/upload`: makes an artifact of a folder dropped here. The browser hashes the files,
 *  asks the server which are missing, and sends only these. Without scripts the page shows the
 *  equivalent command. */
import { uploadCommand } from '../parts/commands.tsx'
import type { Html } from '../parts/html.ts'
import { ProjectMenu } from '../parts/project-menu.tsx'

export interface UploadView {
  project: string
  /** Suggested run number: one after the newest. */
  run: number
  hashWorker: string
}

export function UploadPage({ project, run, hashWorker }: UploadView): Html {
  return (
    <>
      <h1>Upload to {project}</h1>
      <ProjectMenu project={project} current="Upload" mayWrite />
      <form class="needs-script" data-upload data-project={project} data-worker={hashWorker}>
        <div class="filter">
          <label>
            Artifact name
            <input name="name" required maxlength={255} value="upload" />
          </label>
          <label>
            Run
            <input name="run" type="number" min="1" required value={String(run)} />
          </label>
          <label class="check">
            <input name="overwrite" type="checkbox" /> replace an artifact of the same name
          </label>
        </div>
        <div class="drop" data-drop>
          <label>
            Drop a folder or files here, or choose a folder:{' '}
            <input type="file" webkitdirectory multiple data-folder />
          </label>
          <label>
            or files: <input type="file" multiple data-files />
          </label>
          <p data-chosen role="status">
            No files selected.
          </p>
        </div>
        <div class="buttons">
          <button class="first" disabled data-start>
            Upload
          </button>
          <button type="button" hidden data-stop>
            Stop
          </button>
        </div>
        <div data-bars hidden>
          <label>
            Hashed <progress max="1" value="0" data-hashed></progress>
          </label>
          <label>
            Sent <progress max="1" value="0" data-sent></progress>
          </label>
        </div>
        <p data-phase role="status"></p>
      </form>
      <noscript>
        <p>Uploading here needs JavaScript. To upload from a shell, run</p>
        <pre tabindex={0}>{uploadCommand(project, run)}</pre>
      </noscript>
    </>
  )
}
