using Spectre.Console;
using Spectre.Console.Rendering;

namespace Moe.Terminal;

/// <summary>
/// Lines that stay at the bottom of a terminal and are drawn anew in place. Whatever else is written to the console meanwhile goes above.
/// </summary>
/// <remarks>
/// It hooks into the console's own output, so that each write, drawing included, is one piece: erase, write, draw. No thread is needed,
/// and Spectre's own live displays, which want to run the caller's loop, are not.
/// </remarks>
internal sealed class LiveLines(IAnsiConsole console, Func<int, IReadOnlyList<List<Segment>>> draw) : IRenderHook, IDisposable
{
    private int _height;
    private bool _open;

    public void Open()
    {
        // Ctrl+C ends the process without coming back here; the cursor must not stay hidden in the user's shell.
        Console.CancelKeyPress += ShowCursor;
        console.Cursor.Hide();
        console.Pipeline.Attach(this);
        _open = true;
        Paint();
    }

    /// <summary>Draws the lines as they are now.</summary>
    public void Paint()
    {
        if (_open)
            console.Write(new ControlCode(""));
    }

    public void Dispose()
    {
        if (!_open)
            return;
        _open = false;
        console.Pipeline.Detach(this);
        console.Write(new ControlCode(Erase()));
        console.Cursor.Show();
        Console.CancelKeyPress -= ShowCursor;
    }

    public IEnumerable<IRenderable> Process(RenderOptions options, IEnumerable<IRenderable> renderables)
    {
        // One cell is left free: some terminals wrap as soon as the last one is filled.
        var lines = draw(options.ConsoleSize.Width - 1);
        var erase = Erase();
        _height = lines.Count;
        return [new ControlCode(erase), .. renderables, new Drawing(lines)];
    }

    /// <summary>Goes up to the first line and clears everything from there.</summary>
    private string Erase() => _height == 0 ? "" : $"\u001b[{_height}F\u001b[0J";

    private void ShowCursor(object? sender, ConsoleCancelEventArgs e) => console.Cursor.Show();

    private sealed class Drawing(IReadOnlyList<List<Segment>> lines) : Renderable
    {
        protected override IEnumerable<Segment> Render(RenderOptions options, int maxWidth) =>
            lines.SelectMany(line => line.Append(Segment.LineBreak));
    }
}
