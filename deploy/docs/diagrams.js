// Draws the diagrams of the pages. The library is fetched by the pages that have one alone; without scripts their source is shown.
(() => {
    const sources = document.querySelectorAll("code.language-mermaid");
    if (sources.length === 0) {
        return;
    }
    const library = document.createElement("script");
    library.src = `${path_to_root}mermaid.min.js`;
    library.onload = () => {
        for (const source of sources) {
            const drawing = document.createElement("div");
            drawing.className = "mermaid";
            drawing.textContent = source.textContent;
            source.parentElement.replaceWith(drawing);
        }
        const dark = ["navy", "coal", "ayu"].some((theme) => document.documentElement.classList.contains(theme));
        mermaid.initialize({ startOnLoad: false, theme: dark ? "dark" : "default" });
        mermaid.run();
    };
    document.head.append(library);
})();
