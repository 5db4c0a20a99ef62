/** The native API's routes as data; `/openapi.json` is generated from them. A test checks that
 *  the server has exactly these. */
import { adminRoutes } from './admin-routes.ts'
import { artifactRoutes } from './artifact-routes.ts'
import { downloadRoutes } from './download-routes.ts'
import { secretRoutes } from './secret-routes.ts'
import type { ApiRoute } from './route.ts'
import { runRoutes } from './run-routes.ts'
import { transferRoutes } from './transfer-routes.ts'

export const apiRoutes: readonly ApiRoute[] = [
  ...artifactRoutes,
  ...downloadRoutes,
  ...secretRoutes,
  ...runRoutes,
  ...transferRoutes,
  ...adminRoutes,
]
