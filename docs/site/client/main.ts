// What all pages have beside their text: the choice of light or dark, the search, and small helps.
import { watchCode } from './code.js';
import { watchContents } from './contents.js';
import { watchScheme } from './scheme.js';
import { watchSearch } from './search.js';
import { watchWideParts } from './wide-parts.js';

watchScheme();
watchSearch();
watchCode();
watchContents();
watchWideParts();
