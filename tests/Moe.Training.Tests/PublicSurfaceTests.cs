using System.Reflection;
using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Moe.Training.Tests;

/// <summary>Rules that every public type of the package keeps.</summary>
public sealed class PublicSurfaceTests
{
    private static readonly Type[] Public = typeof(Trainer).Assembly.GetExportedTypes();

    private static Type[] Records => [.. Public.Where(type => type.GetMethod("<Clone>$") is not null)];

    [Fact]
    public void Options_and_reports_are_sealed_records()
    {
        var byName = Public.Where(type => !type.IsAbstract && (type.Name.EndsWith("Options", StringComparison.Ordinal) || type.Name.EndsWith("Report", StringComparison.Ordinal))).ToArray();

        byName.Should().HaveCountGreaterThanOrEqualTo(5).And.BeSubsetOf(Records);
        Records.Should().OnlyContain(type => type.IsSealed);
    }

    [Fact]
    public void Records_cannot_be_changed_and_hold_no_tensor()
    {
        var properties = Records.SelectMany(type => type.GetProperties()).ToArray();

        properties.Should().NotBeEmpty();
        properties.Where(property => typeof(Tensor).IsAssignableFrom(property.PropertyType)).Should().BeEmpty();
        properties.Where(property => property.SetMethod is { IsPublic: true } setter
            && !setter.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit))).Should().BeEmpty();
    }

    [Fact]
    public void Callbacks_are_told_plain_numbers()
    {
        Type[] plain = [typeof(int), typeof(long), typeof(double), typeof(bool), typeof(string), typeof(TimeSpan), typeof(Core.RoutingReport), typeof(Core.GateHealth), typeof(CollapseRule)];
        var told = typeof(TrainerCallback).GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)
            .SelectMany(method => method.GetParameters()).Select(parameter => parameter.ParameterType);
        var (seen, ahead) = (new HashSet<Type>(), new Queue<Type>(told));
        while (ahead.TryDequeue(out var type))
        {
            if (!seen.Add(type) || plain.Contains(type))
                continue;
            if (!type.IsGenericType)
                Records.Should().Contain(type, "what callbacks are told is a record of numbers");
            foreach (var part in type.IsGenericType ? type.GetGenericArguments() : [.. type.GetProperties().Select(property => property.PropertyType)])
                ahead.Enqueue(part);
        }

        seen.Should().Contain([typeof(TrainingPlan), typeof(StepReport), typeof(EpochReport), typeof(EvaluationReport), typeof(TrainingResult)]);
    }

    [Fact]
    public void Classes_are_sealed_unless_they_are_there_to_be_derived_from() =>
        Public.Where(type => type.IsClass && !type.IsSealed).Should().Equal(typeof(TrainerCallback));

    [Fact]
    public void No_public_field_lets_anyone_reach_in() =>
        Public.Where(type => !type.IsEnum).SelectMany(type => type.GetFields(BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static)).Should().BeEmpty();
}
