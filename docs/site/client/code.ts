/** How long a button says that it has copied, in milliseconds: long enough to be read. */
const SAID_MS = 1_500;

/** Gives each block of code a button that copies it. */
export function watchCode(): void {
  // A page from a disk may have no clipboard.
  if (!('clipboard' in navigator) || !isSecureContext) return;
  for (const block of document.querySelectorAll<HTMLElement>('.code')) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'copy';
    button.textContent = 'Copy';
    button.addEventListener('click', () => {
      navigator.clipboard.writeText(block.querySelector('pre')?.textContent ?? '').then(
        () => {
          button.textContent = 'Copied';
          setTimeout(() => (button.textContent = 'Copy'), SAID_MS);
        },
        () => (button.textContent = 'Not allowed'),
      );
    });
    block.append(button);
  }
}
