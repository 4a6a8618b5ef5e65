/** Lets the reader choose light or dark; without a choice it is the system's. */
export function watchScheme(): void {
  const button = document.querySelector<HTMLButtonElement>('[data-scheme].icon-button');
  if (button === null) return;
  const system = matchMedia('(prefers-color-scheme: dark)');
  const isDark = () => (document.documentElement.dataset['scheme'] ?? (system.matches ? 'dark' : 'light')) === 'dark';
  button.hidden = false;
  button.addEventListener('click', () => {
    const scheme = isDark() ? 'light' : 'dark';
    document.documentElement.dataset['scheme'] = scheme;
    try {
      localStorage.setItem('scheme', scheme);
    } catch {
      // Storage may be off; then the choice holds for this page.
    }
  });
}
