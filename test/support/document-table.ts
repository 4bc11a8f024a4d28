/** The rows of the tables in a text whose first cell fits, without the marks of code. */
export function tableRows(text: string, first: RegExp): string[][] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) =>
      line
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim().replaceAll("`", "")),
    )
    .filter(([cell = ""]) => first.test(cell));
}
