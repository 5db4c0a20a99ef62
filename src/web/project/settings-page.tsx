/** `/{o}/{r}/settings`: what uploads of a project may do, as sentences, and a form to change it. */
import { formatSizeBytes } from '../../core/units.ts'
import type { Config } from '../../config/config.ts'
import { Size } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { retentionPath, settingsPath } from '../paths.ts'
import { ProjectMenu } from '../parts/project-menu.tsx'
import {
  ChoiceField,
  NoChange,
  SettingField,
  settingSource,
  type ShownSettings,
} from './settings-form.tsx'

export interface SettingsView extends ShownSettings {
  server: Pick<Config, 'onConflict' | 'strict' | 'projectQuotaBytes'>
  /** Logical bytes of its live artifacts. */
  usedBytes: number
}

export function SettingsPage(view: SettingsView): Html {
  const { project, server } = view
  const isStrict = project.strict ?? server.strict
  const replaces = (project.onConflict ?? server.onConflict) === 'replace'
  return (
    <>
      <h1>Settings of {project.name}</h1>
      <ProjectMenu project={project.name} current="Settings" mayWrite={view.mayWrite} />
      <ol>
        <li>
          If a run already has an artifact of the same name, an upload by GitHub’s action{' '}
          {replaces ? 'replaces it' : 'is rejected'} (
          {settingSource(project.onConflict, 'TROVE_ON_CONFLICT')}). Other uploads are rejected
          unless they ask to overwrite.
        </li>
        <li>
          A job may replace and delete{' '}
          {isStrict ? 'only artifacts that it made itself' : 'all artifacts of its own run'} (
          {settingSource(project.strict, 'TROVE_STRICT')}).
        </li>
        <li>
          <Quota {...view} />
        </li>
        <li>
          {view.isPublic
            ? 'Everyone may read the project, without signing in'
            : 'Only those with access to the project may read it'}{' '}
          ({settingSource(null, 'TROVE_PUBLIC_PROJECTS')}).
        </li>
        <li>
          How long artifacts are kept is set under{' '}
          <a href={retentionPath(project.name)}>Retention</a>.
        </li>
      </ol>
      {view.mayChange ? <ChangeForm {...view} /> : <NoChange />}
    </>
  )
}

function Quota({ project, server, usedBytes }: SettingsView) {
  const quota = project.quotaBytes ?? server.projectQuotaBytes
  const source = settingSource(project.quotaBytes, 'TROVE_PROJECT_QUOTA')
  return (
    <>
      {quota === null ? (
        <>The project has no quota ({source}).</>
      ) : (
        <>
          The quota of the project is <Size bytes={quota} /> ({source}): uploads that would exceed
          it are rejected. It counts live artifacts in full, before deduplication.
        </>
      )}{' '}
      Its live artifacts hold <Size bytes={usedBytes} />.
    </>
  )
}

function ChangeForm({ project, server, form }: SettingsView) {
  const quota = server.projectQuotaBytes
  return (
    <form class="filter" method="post" action={settingsPath(project.name)}>
      <ChoiceField
        form={form}
        name="onConflict"
        label="If a name is taken"
        server={server.onConflict}
        choices={[
          ['reject', 'reject'],
          ['replace', 'replace'],
        ]}
      />
      <ChoiceField
        form={form}
        name="strict"
        label="Jobs change only their own artifacts"
        server={server.strict ? 'on' : 'off'}
        choices={[
          ['on', 'on'],
          ['off', 'off'],
        ]}
      />
      <SettingField form={form} name="quotaBytes" label="Quota, such as 500MB or 64GiB">
        {(attributes, value) => (
          <input
            {...attributes}
            value={value}
            placeholder={`server: ${quota === null ? 'none' : formatSizeBytes(quota)}`}
          />
        )}
      </SettingField>
      <button>Change</button>
    </form>
  )
}
