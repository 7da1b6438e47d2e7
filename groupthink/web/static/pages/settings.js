// A recipe's text as settings by their full names. Recipes are written one setting a line, in tables one level deep.

export function settingsOf(recipe) {
  const found = new Map();
  let table = "";
  for (const line of recipe.split("\n")) {
    const head = /^\[+([^\]]+)\]+\s*$/.exec(line);
    const setting = /^("[^"]*"|[\w.-]+)\s*=\s*(.*)$/.exec(line);
    if (head) table = `${head[1]}.`;
    else if (setting) found.set(table + setting[1], setting[2]);
  }
  return found;
}
