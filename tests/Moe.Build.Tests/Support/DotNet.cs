using System.Diagnostics;
using System.Text;

namespace Moe.Build.Support;

/// <summary>Runs the dotnet command, or a program made by it, as if started by hand.</summary>
internal static class DotNet
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(4);

    // The command that runs these tests, and the person who runs it, leave settings that would change the inner build.
    private static readonly string[] Inherited =
        ["MSBUILD", "VSTEST", "COVERLET", "TorchBackend", "MOE_LIBTORCH", "MoeFixTorchSharpNative", "Version"];

    public static string Command { get; } = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";

    public static ProcessResult Run(string folder, params string[] arguments) => Start(Command, folder, arguments, []);

    public static ProcessResult Run(string folder, (string Name, string Value) variable, params string[] arguments) =>
        Start(Command, folder, arguments, [variable]);

    public static ProcessResult Start(
        string program, string folder, string[] arguments, (string Name, string Value)[] variables)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        SetEnvironment(start.Environment, variables);

        var output = new StringBuilder();
        void Take(object _, DataReceivedEventArgs line)
        {
            lock (output)
                output.AppendLine(line.Data);
        }

        using var process = Process.Start(start)!;
        process.OutputDataReceived += Take;
        process.ErrorDataReceived += Take;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        process.StandardInput.Close();
        if (!process.WaitForExit(Limit))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} {string.Join(' ', arguments)} ran longer than {Limit}:\n{output}");
        }

        process.WaitForExit();
        return new ProcessResult(process.ExitCode, output.ToString());
    }

    private static void SetEnvironment(
        IDictionary<string, string?> environment, (string Name, string Value)[] variables)
    {
        foreach (var name in environment.Keys.Where(IsInherited).ToArray())
            environment.Remove(name);

        // No process of the inner build may outlive it: the test host would wait for it.
        environment["MSBUILDDISABLENODEREUSE"] = "1";
        environment["DOTNET_CLI_USE_MSBUILD_SERVER"] = "0";
        environment["UseSharedCompilation"] = "false";
        environment["DOTNET_CLI_UI_LANGUAGE"] = "en";
        environment["DOTNET_NOLOGO"] = "1";
        foreach (var (name, value) in variables)
            environment[name] = value;
    }

    private static bool IsInherited(string name) =>
        Inherited.Any(start => name.StartsWith(start, StringComparison.OrdinalIgnoreCase));
}

/// <summary>How a process ended and what it wrote to both streams.</summary>
internal sealed record ProcessResult(int ExitCode, string Output)
{
    /// <summary>The output, if all went well.</summary>
    public string Succeeded()
    {
        ExitCode.Should().Be(0, "the command should succeed, but wrote\n{0}", Output);
        return Output;
    }

    /// <summary>The output, if it ended with an error.</summary>
    public string Failed()
    {
        ExitCode.Should().NotBe(0, "the command should fail, but wrote\n{0}", Output);
        return Output;
    }
}
