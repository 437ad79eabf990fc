// Lines of one pixel: Zhang and Suen 1984, as `thinned` in gencore/data/filters.py, of which this is the same in the page.

// The eight neighbours of a pixel, clockwise from the north, as [rows, columns].
const AROUND = [[-1, 0], [-1, 1], [0, 1], [1, 1], [1, 0], [1, -1], [0, -1], [-1, -1]];

// grey: size * size bytes, row by row, bright lines on dark → a Uint8Array of the same length, 255 on 0.
export function thinned(grey, size) {
  let line = Uint8Array.from(grey, value => +(value >= 128));
  for (;;) {
    const thinner = withoutRim(withoutRim(line, size, true), size, false);
    if (thinner.every((value, i) => value === line[i])) return line.map(value => 255 * value);
    line = thinner;
  }
}

function withoutRim(line, size, first) {
  const kept = line.slice();
  for (let i = 0; i < line.length; i++) {
    if (!line[i]) continue;
    const row = Math.floor(i / size), column = i % size;
    const around = AROUND.map(([down, right]) => {
      const y = row + down, x = column + right;
      return y >= 0 && y < size && x >= 0 && x < size ? line[y * size + x] : 0;
    });
    const count = around.reduce((sum, value) => sum + value);
    const starts = around.filter((value, k) => !value && around[(k + 1) % 8]).length; // lines that meet here
    const [north, , east, , south, , west] = around;
    const exposed = first ? !(north && east && south) && !(east && south && west) : !(north && east && west) && !(north && south && west);
    if (count >= 2 && count <= 6 && starts === 1 && exposed) kept[i] = 0;
  }
  return kept;
}
