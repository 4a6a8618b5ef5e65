/** Lets the keyboard scroll what is wider than the page: tables, code and diagrams. */
export function watchWideParts(): void {
  const parts = document.querySelectorAll<HTMLElement>('.scroll, main pre');
  const look = () => {
    for (const part of parts) {
      if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
      else part.removeAttribute('tabindex');
    }
  };
  look();
  addEventListener('resize', look);
}
