// What a Delete finds missing is as good as deleted: it may come twice.

const unlessMissing = (instead) => (error) => {
  if (error.name !== "NoSuchEntityException") throw error;
  return instead;
};

export const gone = (sent) => sent.catch(unlessMissing());

const all = async (pages, key) => {
  const found = [];
  for await (const page of pages) found.push(...(page[key] ?? []));
  return found;
};

/** All pages of a list, and nothing of a role or policy that is not there. */
export const listed = (pages, key) => all(pages, key).catch(unlessMissing([]));
