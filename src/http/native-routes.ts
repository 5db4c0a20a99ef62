/** All routes of the native API. */
import { Hono } from 'hono'
import { createArchiveRoutes } from './artifact/archives.ts'
import { createArtifactRoutes } from './artifact/artifacts.ts'
import { createAttestationRoutes } from './artifact/attestation.ts'
import { createAuditRoutes } from './operation/audit.ts'
import { createBlobFetchRoutes } from './artifact/blob-fetch.ts'
import { createCompareRoutes } from './artifact/compare.ts'
import type { AppContext, AppEnv } from './context.ts'
import { createDeletionRoutes } from './artifact/deletion.ts'
import { createDigestRoutes } from './artifact/digests.ts'
import { createFileRoutes } from './artifact/files.ts'
import { createHistoryRoutes } from './artifact/history.ts'
import { createMaintenanceRoutes } from './operation/maintenance.ts'
import { createManifestRoutes } from './artifact/manifests.ts'
import { createOpenApiRoutes } from './operation/openapi.ts'
import { createProjectRoutes } from './operation/projects.ts'
import { createPutArtifactRoutes } from './upload/put-artifact.ts'
import { createRunRecordRoutes } from './run-records.ts'
import { createSecretRoutes } from './artifact/secrets.ts'
import { createSearchRoutes } from './artifact/search.ts'
import { createSizeRoutes } from './artifact/sizes.ts'
import { createStatsRoutes } from './operation/stats.ts'
import { createTokenRoutes } from './access/tokens.ts'
import { createTreeRoutes } from './artifact/trees.ts'
import { createUploadRoutes } from './upload/uploads.ts'

export function createNativeRoutes(context: AppContext): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.route('/', createArtifactRoutes(context))
  app.route('/', createDeletionRoutes(context))
  app.route('/', createSecretRoutes(context))
  app.route('/', createMaintenanceRoutes(context))
  app.route('/', createAuditRoutes(context))
  app.route('/', createManifestRoutes(context))
  app.route('/', createSizeRoutes(context))
  app.route('/', createFileRoutes(context))
  app.route('/', createHistoryRoutes(context))
  app.route('/', createAttestationRoutes(context))
  app.route('/', createArchiveRoutes(context))
  app.route('/', createPutArtifactRoutes(context))
  app.route('/', createRunRecordRoutes(context))
  app.route('/', createStatsRoutes(context))
  app.route('/', createCompareRoutes(context))
  app.route('/', createDigestRoutes(context))
  app.route('/', createSearchRoutes(context))
  app.route('/', createProjectRoutes(context))
  app.route('/', createTokenRoutes(context))
  app.route('/', createUploadRoutes(context))
  app.route('/', createTreeRoutes(context))
  app.route('/', createBlobFetchRoutes(context))
  app.route('/', createOpenApiRoutes())
  return app
}
