using Spectre.Console;
using Spectre.Console.Rendering;

namespace HuggingFaceBlock;

/// <summary>Where tables go: to the console as it is now, wide enough if that is a file.</summary>
internal static class Terminal
{
    public static IAnsiConsole Create()
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Out) });
        if (Console.IsOutputRedirected)
            console.Profile.Width = 140;
        return console;
    }

    /// <summary>Writes a table. One that is wider than the console loses its frame, and its lines run on: half a number is none.</summary>
    public static void Write(IAnsiConsole console, Table table)
    {
        if (Width() > console.Profile.Width)
            table.Border = TableBorder.None;
        var width = console.Profile.Width;
        console.Profile.Width = Math.Max(width, Width());
        console.Write(table);
        console.Profile.Width = width;

        int Width() => ((IRenderable)table).Measure(RenderOptions.Create(console), int.MaxValue).Max;
    }
}
