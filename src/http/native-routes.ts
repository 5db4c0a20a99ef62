/** All routes of the native API. */
import { Hono } from 'hono'
import { createArchiveRoutes } from './archives.ts'
import { createArtifactRoutes } from './artifacts.ts'
import { createBlobFetchRoutes } from './blob-fetch.ts'
import { createCompareRoutes } from './compare.ts'
import type { AppContext, AppEnv } from './context.ts'
import { createDeletionRoutes } from './deletion.ts'
import { createDigestRoutes } from './digests.ts'
import { createFileRoutes } from './files.ts'
import { createMaintenanceRoutes } from './maintenance.ts'
import { createManifestRoutes } from './manifests.ts'
import { createOpenApiRoutes } from './openapi.ts'
import { createProjectRoutes } from './projects.ts'
import { createPutArtifactRoutes } from './put-artifact.ts'
import { createRunRecordRoutes } from './run-records.ts'
import { createSearchRoutes } from './search.ts'
import { createStatsRoutes } from './stats.ts'
import { createTokenRoutes } from './tokens.ts'
import { createTreeRoutes } from './trees.ts'
import { createUpkeepRoutes } from './upkeep.ts'
import { createUploadRoutes } from './uploads.ts'

export function createNativeRoutes(context: AppContext): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.route('/', createArtifactRoutes(context))
  app.route('/', createDeletionRoutes(context))
  app.route('/', createMaintenanceRoutes(context))
  app.route('/', createManifestRoutes(context))
  app.route('/', createFileRoutes(context))
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
  app.route('/', createUpkeepRoutes(context))
  app.route('/', createOpenApiRoutes())
  return app
}
