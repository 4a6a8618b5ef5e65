/** On a narrow screen the list of pages is closed until it is asked for; on a wide one the heading that is read is marked in the contents. */
export function watchContents(): void {
  const drawer = document.querySelector<HTMLDetailsElement>('.drawer');
  const narrow = matchMedia('(max-width: 900px)');
  const fit = () => {
    if (drawer !== null) drawer.open = !narrow.matches;
  };
  fit();
  narrow.addEventListener('change', fit);
  document.querySelector('.side [aria-current]')?.scrollIntoView({ block: 'nearest' });

  const links = new Map(
    Array.from(document.querySelectorAll<HTMLAnchorElement>('.contents a'), (link) => [link.hash.slice(1), link]),
  );
  const observer = new IntersectionObserver(
    (entries) => {
      const seen = entries.find(({ isIntersecting }) => isIntersecting);
      if (seen === undefined) return;
      for (const link of links.values()) link.removeAttribute('aria-current');
      links.get(seen.target.id)?.setAttribute('aria-current', 'true');
    },
    { rootMargin: '-70px 0px -70% 0px' },
  );
  for (const id of links.keys()) {
    const heading = document.getElementById(decodeURIComponent(id));
    if (heading !== null) observer.observe(heading);
  }
}
