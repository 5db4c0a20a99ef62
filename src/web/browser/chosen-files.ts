/** Files that were chosen or dropped, with their paths inside the artifact. A single folder
 *  stands for its content, as with the stock action. */

/** Marks the place while something is dragged over it, and passes on what is dropped there. */
export function takeDrops(place: HTMLElement, take: (dropped: DataTransfer) => void): void {
  for (const type of ['dragover', 'dragleave', 'drop'] as const)
    place.addEventListener(type, (event) => {
      event.preventDefault()
      place.classList.toggle('over', type === 'dragover')
      if (type === 'drop' && event.dataTransfer) take(event.dataTransfer)
    })
}

export interface ChosenFile {
  path: string
  file: File
}

export function chosenFiles(files: Iterable<File>): ChosenFile[] {
  return withoutCommonRoot(
    [...files].map((file) => ({
      path: file.webkitRelativePath === '' ? file.name : file.webkitRelativePath,
      file,
    })),
  )
}

export async function droppedFiles(transfer: DataTransfer): Promise<ChosenFile[]> {
  // Entries must be read before the first await: the transfer is emptied after the event.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry())
  const found: ChosenFile[] = []
  for (const entry of entries) if (entry !== null) await collect(entry, found)
  return entries.length === 1 && entries[0]?.isDirectory === true ? withoutCommonRoot(found) : found
}

async function collect(entry: FileSystemEntry, found: ChosenFile[]): Promise<void> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => {
      ;(entry as FileSystemFileEntry).file(resolve, reject)
    })
    found.push({ path: entry.fullPath.replace(/^\//, ''), file })
    return
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader()
  for (;;) {
    // Chromium returns at most 100 entries per call, and an empty batch at the end.
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject)
    })
    if (batch.length === 0) return
    for (const child of batch) await collect(child, found)
  }
}

function withoutCommonRoot(files: ChosenFile[]): ChosenFile[] {
  const [first] = files
  const root = first?.path.includes('/') === true ? `${first.path.split('/')[0]}/` : undefined
  if (root === undefined || !files.every(({ path }) => path.startsWith(root))) return files
  return files.map(({ path, file }) => ({ path: path.slice(root.length), file }))
}
